/* A client generated from the server's own OpenAPI document; its types know every field.
 *
 *   shortlist serve &                              # pip install 'shortlist[server]'
 *   export SHORTLIST=http://127.0.0.1:8765
 *   npm install && npm run generate && npm run check && npm start
 */
import createClient from "openapi-fetch";
import type { paths } from "./shortlist.js";

declare const process: { env: Record<string, string | undefined>; exitCode: number };

const client = createClient<paths>({ baseUrl: process.env.SHORTLIST ?? "http://127.0.0.1:8765" });

const { data, error } = await client.POST("/shortlist/v1/rerank", {
  body: {
    query: "How many metres tall is the tower?",
    documents: [
      { id: "iron", text: "It is made of iron.", metadata: { page: 1 } },
      { id: "height", text: "It is 330 metres tall.", metadata: { page: 2 } },
    ],
    top_k: 1,
  },
});

if (error) {
  console.error(error);
  process.exitCode = 1;
} else {
  for (const result of data.results) {
    console.log(`${result.rank}. ${result.id} ${result.score?.toFixed(2)}`);
  }
}
