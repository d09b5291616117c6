# shortlist serve, as a user without rights and on a read-only disk:
#   docker build -t shortlist . && docker run --read-only --tmpfs /tmp -p 8765:8765 shortlist

FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE NOTICE THIRD_PARTY_NOTICES.md ./
COPY LICENSES LICENSES
COPY man man
COPY src src
RUN python -m venv /opt/shortlist
RUN /opt/shortlist/bin/pip install --no-cache-dir ".[server]"
RUN /opt/shortlist/bin/pip uninstall --yes pip

FROM python:3.12-slim
COPY --from=build /opt/shortlist /opt/shortlist
RUN useradd --system --uid 10001 --home-dir /tmp shortlist
ENV PATH=/opt/shortlist/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001
WORKDIR /tmp
EXPOSE 8765
HEALTHCHECK --start-period=30s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8765/ready')"]
ENTRYPOINT ["shortlist"]
CMD ["serve", "--host", "0.0.0.0"]
