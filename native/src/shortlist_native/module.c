/* The Python side: buffers are checked and borrowed here, and the lock is let go while the encoder runs. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "encoder.h"

enum { TENSORS = 24 };

static const char *const NAMES[PRECISIONS] = {[BF16] = "bf16", [INT8] = "int8", [INT16] = "int16"};
static const char *const GIVEN[OUTCOMES] = {[TANH] = "tanh", [GELU] = "gelu", [MEAN] = "mean", [FIRST] = "first"};

/* The place of a name among some; `count` where it is none of them. */
static int place_of(const char *name, const char *const *names, int count) {
    int place = 0;
    while (place < count && strcmp(names[place], name)) place++;
    return place;
}

static int can_encode(precision kind) { return kind == INT16 ? has_avx2() : has_amx(); }

static PyObject *precisions(PyObject *self, PyObject *nothing) {
    PyObject *names = PyList_New(0);
    for (int kind = 0; names && kind < PRECISIONS; kind++) {
        if (!can_encode(kind)) continue;
        PyObject *name = PyUnicode_FromString(NAMES[kind]);
        if (!name || PyList_Append(names, name)) Py_CLEAR(names);
        Py_XDECREF(name);
    }
    PyObject *found = names ? PyList_AsTuple(names) : NULL;
    Py_XDECREF(names);
    return found;
}

static int fits(const Py_buffer *buffer, size_t values, size_t size, const char *what) {
    if (buffer->len == (Py_ssize_t)(values * size)) return 1;
    PyErr_Format(PyExc_ValueError, "%s holds %zd bytes, not %zu values of %zu", what, buffer->len, values, size);
    return 0;
}

static PyObject *no_matrix_unit(void) {
    return PyErr_Format(PyExc_RuntimeError, "this processor has no AMX, or the system does not let it be used");
}

/* pack(matrix, packed, inputs, outputs, is_bytes) */
static PyObject *pack(PyObject *self, PyObject *arguments) {
    Py_buffer from, to;
    int inputs, outputs, bytes;
    if (!has_amx()) return no_matrix_unit();
    if (!PyArg_ParseTuple(arguments, "y*w*iip", &from, &to, &inputs, &outputs, &bytes)) return NULL;
    const int step = bytes ? 64 : 32;
    int good = inputs > 0 && outputs > 0 && inputs % step == 0 && outputs % 32 == 0;
    if (!good)
        PyErr_Format(PyExc_ValueError, "inputs must be a multiple of %d, outputs of 32; got %d and %d", step, inputs, outputs);
    const size_t values = good ? (size_t)inputs * outputs : 0;
    good = good && fits(&from, values, bytes ? 1 : 4, "the matrix") && fits(&to, values, bytes ? 1 : 2, "what it is packed into");
    if (good && bytes)
        pack_bytes(from.buf, inputs, outputs, to.buf);
    else if (good)
        pack_weight(from.buf, inputs, outputs, to.buf);
    PyBuffer_Release(&from);
    PyBuffer_Release(&to);
    if (!good) return NULL;
    Py_RETURN_NONE;
}

static int outcome_fits_labels(const model *m, const char *given) {
    const int is_vector = m->gives == MEAN || m->gives == FIRST;
    if (m->gives < OUTCOMES && is_vector == !m->labels) return 1;
    PyErr_Format(PyExc_ValueError, "the encoder gives labels behind tanh or gelu, or a vector (mean, first); got %s and %d labels", given, m->labels);
    return 0;
}

static int sizes_make_sense(const model *m) {
    const int size = m->heads > 0 ? m->hidden / m->heads : 0;
    if (m->layers >= 1 && m->labels >= 0 && m->hidden <= 1024 && (size == 32 || size == 64) && m->hidden == size * m->heads &&
        m->feed >= 32 && m->feed % 32 == 0 && (m->kind != INT8 || m->hidden % 64 == 0) && m->vocabulary >= 1 && m->positions >= 1 && m->types >= 1)
        return 1;
    PyErr_SetString(PyExc_ValueError, "the encoder takes heads of 32 or 64, up to 1024 wide (for int8 a multiple of 64), and a feed-forward of a multiple of 32");
    return 0;
}

static int point(model *m, const Py_buffer *t) {
    const size_t layers = m->layers, hidden = m->hidden, feed = m->feed, square = layers * hidden * hidden;
    const size_t weight = m->kind == INT8 ? 1 : 2, factors = m->kind == INT8 ? layers : 0;
    const size_t scaled = m->kind == BF16 ? 0 : layers, all_scaled = m->kind == INT16 ? layers : 0;
    const struct { const void **to; size_t values, size; const char *what; } wanted[TENSORS] = {
        {(const void **)&m->words, m->vocabulary * hidden, 4, "words"},
        {(const void **)&m->position_rows, m->positions * hidden, 4, "positions"},
        {(const void **)&m->type_rows, m->types * hidden, 4, "types"},
        {(const void **)&m->embedding_norm, 2 * hidden, 4, "embedding_norm"},
        {(const void **)&m->qkv, 3 * square, weight, "qkv"},
        {(const void **)&m->qkv_bias, 3 * layers * hidden, 4, "qkv_bias"},
        {(const void **)&m->mixed, square, 2, "mixed"},
        {(const void **)&m->mixed_bias, layers * hidden, 4, "mixed_bias"},
        {(const void **)&m->mixed_norm, 2 * layers * hidden, 4, "mixed_norm"},
        {(const void **)&m->fed, layers * hidden * feed, weight, "fed"},
        {(const void **)&m->fed_bias, layers * feed, 4, "fed_bias"},
        {(const void **)&m->out, layers * hidden * feed, 2, "out"},
        {(const void **)&m->out_bias, layers * hidden, 4, "out_bias"},
        {(const void **)&m->out_norm, 2 * layers * hidden, 4, "out_norm"},
        {(const void **)&m->qkv_scales, 3 * scaled * hidden, 4, "qkv_scales"},
        {(const void **)&m->mixed_scales, all_scaled * hidden, 4, "mixed_scales"},
        {(const void **)&m->fed_scales, scaled * feed, 4, "fed_scales"},
        {(const void **)&m->out_scales, all_scaled * hidden, 4, "out_scales"},
        {(const void **)&m->qkv_factors, factors * hidden, 4, "qkv_factors"},
        {(const void **)&m->fed_factors, factors * hidden, 4, "fed_factors"},
        {(const void **)&m->pooler, m->labels ? hidden * hidden : 0, 4, "pooler"},
        {(const void **)&m->pooler_bias, m->labels ? hidden : 0, 4, "pooler_bias"},
        {(const void **)&m->classifier, m->labels * hidden, 4, "classifier"},
        {(const void **)&m->classifier_bias, m->labels, 4, "classifier_bias"},
    };
    for (int i = 0; i < TENSORS; i++) {
        if (!fits(&t[i], wanted[i].values, wanted[i].size, wanted[i].what)) return 0;
        *wanted[i].to = t[i].buf;
    }
    return 1;
}

static int can_be_read(const model *m, const sequences *s, Py_ssize_t tokens) {
    Py_ssize_t seen = 0;
    for (int one = 0; one < s->count; one++) {
        if (s->lengths[one] < 1 || s->lengths[one] > m->positions) {
            PyErr_Format(PyExc_ValueError, "sequence %d is %d tokens long; 1 to %d can be read", one, s->lengths[one], m->positions);
            return 0;
        }
        seen += s->lengths[one];
    }
    if (seen != tokens) {
        PyErr_Format(PyExc_ValueError, "the lengths add up to %zd, but there are %zd tokens", seen, tokens);
        return 0;
    }
    for (Py_ssize_t i = 0; i < tokens; i++)
        if (s->ids[i] < 0 || s->ids[i] >= m->vocabulary || s->types[i] >= m->types) {
            PyErr_Format(PyExc_ValueError, "token %zd has the id %d and the type %d; there are %d and %d", i, s->ids[i], s->types[i],
                         m->vocabulary, m->types);
            return 0;
        }
    return 1;
}

static PyObject *run(const model *m, Py_buffer batch[4]) {
    const sequences s = {batch[0].buf, batch[1].buf, batch[2].buf, (int)(batch[2].len / 4)};
    const Py_ssize_t tokens = batch[0].len / 4;
    if (!fits(&batch[1], tokens, 1, "types") || !fits(&batch[3], (size_t)s.count * columns_of(m), 4, "results") || !can_be_read(m, &s, tokens))
        return NULL;
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = m->kind == INT16 ? encode_avx2(m, &s, batch[3].buf) : encode_amx(m, &s, batch[3].buf);
    Py_END_ALLOW_THREADS
    if (failed) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *run_encoder(PyObject *self, PyObject *arguments) {
    model m = {0};
    PyObject *tensors, *held;
    Py_buffer batch[4], t[TENSORS];
    const char *name, *given;
    if (!PyArg_ParseTuple(arguments, "(iiiiiiiissf)Oy*y*y*w*", &m.layers, &m.hidden, &m.heads, &m.feed, &m.labels, &m.vocabulary,
                          &m.positions, &m.types, &name, &given, &m.epsilon, &tensors, &batch[0], &batch[1], &batch[2], &batch[3]))
        return NULL;
    m.kind = place_of(name, NAMES, PRECISIONS);
    m.gives = place_of(given, GIVEN, OUTCOMES);
    int borrowed = 0;
    PyObject *result = NULL;
    held = PySequence_Fast(tensors, "the tensors must be a sequence");
    if (held && (m.kind == PRECISIONS || !can_encode(m.kind)))
        PyErr_Format(PyExc_RuntimeError, "this processor, or the system, does not let the kernel compute in %s", name);
    else if (held && PySequence_Fast_GET_SIZE(held) != TENSORS)
        PyErr_Format(PyExc_ValueError, "%d tensors are needed", TENSORS);
    else if (held && outcome_fits_labels(&m, given) && sizes_make_sense(&m)) {
        while (borrowed < TENSORS &&
               !PyObject_GetBuffer(PySequence_Fast_GET_ITEM(held, borrowed), &t[borrowed], PyBUF_C_CONTIGUOUS))
            borrowed++;
        if (borrowed == TENSORS && point(&m, t)) result = run(&m, batch);
    }
    while (borrowed) PyBuffer_Release(&t[--borrowed]);
    for (int i = 0; i < 4; i++) PyBuffer_Release(&batch[i]);
    Py_XDECREF(held);
    return result;
}

static PyMethodDef methods[] = {
    {"precisions", precisions, METH_NOARGS, "In what this processor lets the kernel compute: bf16 and int8 with AMX, int16 with AVX2."},
    {"pack", pack, METH_VARARGS, "pack(matrix, packed, inputs, outputs, is_bytes): fp32 to tiles of bf16, or int8 to tiles of int8; [inputs, outputs]."},
    {"encode", run_encoder, METH_VARARGS, "encode(sizes, tensors, ids, types, lengths, results): see shortlist.inference.native."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_kernel", "A BERT encoder on AMX or AVX2.", -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModule_Create(&definition); }
