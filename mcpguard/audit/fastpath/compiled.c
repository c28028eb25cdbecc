/* FastPath of python.py, compiled. What it does is said there; tests hold the two against each other.
 *
 * The usual record is put together in a buffer on the stack and written from there. Hashes are those of
 * Python's hashlib: it is asked, or, of the chain, the OpenSSL that it is linked with, without the objects
 * between. What does not fit is left to `AuditLog.write`: allow() is False.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <dlfcn.h>
#include <math.h>
#include <unistd.h>

#ifndef SOURCE_DIGEST
#error "say -DSOURCE_DIGEST, as scripts/hatch_build.py does: what was built of another source is not used"
#endif

enum { DIGEST = 32, SEALED = 2 * DIGEST, PARTS = 4, ROOM = 4096 };

/* What python.py says, read once. */
static PyObject *begun, *domain, *head_of_hash, *head_of_digest, *line_end;
static Py_ssize_t long_args;

/* EVP_DigestInit(3) and the next: the same from OpenSSL 1.1.1 on. Without a context hashlib is asked. */
static struct {
    void *context;
    int (*init)(void *context, const void *kind, void *engine);
    int (*update)(void *context, const void *data, size_t size);
    int (*final)(void *context, unsigned char *digest, unsigned int *size);
} openssl;

/* Names that are asked for. */
static PyObject *n_copy, *n_digest, *n_failure, *n_parts, *n_pending, *n_times, *n_update, *n_wrote;

/* The log's objects. */
enum { CLOCK, FORMS, FRESH, KEYED, PREVIOUS, SECOND_TEXT, SYNCER, TOLD, OBJECTS };

typedef struct {
    PyObject_HEAD
    long long seq, size, long_way, excess;
    double now, since, until, second;
    int fd;
    char grouped, tracked;
    PyObject *own[OBJECTS];
} FastPath;

typedef struct {
    char text[ROOM];
    size_t used;
} Line;

/* --- a line, from its parts. Each returns -1 where there is no room. ----------------------------- */

static int add(Line *line, const char *text, size_t size) {
    if (size > sizeof line->text - line->used) return -1;
    memcpy(line->text + line->used, text, size);
    line->used += size;
    return 0;
}

static int add_bytes(Line *line, PyObject *bytes) {
    return add(line, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
}

/* In decimal, with zeros before it up to `least` digits. -1 as for no room where it is below zero. */
static int add_number(Line *line, long long number, size_t least) {
    char digits[32];
    size_t many = 0;
    if (number < 0) return -1;
    for (; number > 0 || many < least; number /= 10) digits[sizeof digits - ++many] = (char)('0' + number % 10);
    return add(line, digits + sizeof digits - many, many);
}

static int add_hex(Line *line, PyObject *digest) {
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = (const unsigned char *)PyBytes_AS_STRING(digest);
    char hex[SEALED];
    for (int at = 0; at < DIGEST; at++) {
        hex[2 * at] = digits[from[at] >> 4];
        hex[2 * at + 1] = digits[from[at] & 15];
    }
    return add(line, hex, sizeof hex);
}

/* --- what is asked of Python --------------------------------------------------------------------- */

/* The digest of a copy of `hash` that went on with `data`: a new reference, or NULL with an error. */
static PyObject *digest_of(PyObject *hash, PyObject *data) {
    PyObject *copy = PyObject_CallMethodNoArgs(hash, n_copy);
    if (copy == NULL) return NULL;
    PyObject *digest = NULL, *updated = PyObject_CallMethodOneArg(copy, n_update, data);
    if (updated != NULL) {
        Py_DECREF(updated);
        digest = PyObject_CallMethodNoArgs(copy, n_digest);
    }
    Py_DECREF(copy);
    if (digest != NULL && (!PyBytes_Check(digest) || PyBytes_GET_SIZE(digest) != DIGEST)) {
        Py_DECREF(digest);
        PyErr_SetString(PyExc_TypeError, "a digest is 32 bytes");
        return NULL;
    }
    return digest;
}

/* Whether OpenSSL has put into `digest` that of DOMAIN and `text`. */
static int digested(const char *text, size_t size, char *digest) {
    unsigned int put = 0;
    return openssl.context != NULL && openssl.init(openssl.context, NULL, NULL) == 1 &&
           openssl.update(openssl.context, PyBytes_AS_STRING(domain), (size_t)PyBytes_GET_SIZE(domain)) == 1 &&
           openssl.update(openssl.context, text, size) == 1 &&
           openssl.final(openssl.context, (unsigned char *)digest, &put) == 1 && put == DIGEST;
}

/* What `begun` gives for `text`: a new reference, or NULL with an error. */
static PyObject *hashed_by_hashlib(const char *text, size_t size) {
    PyObject *data = PyBytes_FromStringAndSize(text, (Py_ssize_t)size);
    PyObject *digest = data == NULL ? NULL : digest_of(begun, data);
    Py_XDECREF(data);
    return digest;
}

/* The same, by OpenSSL where it is there. */
static PyObject *hashed(const char *text, size_t size) {
    PyObject *digest = PyBytes_FromStringAndSize(NULL, DIGEST);
    if (digest == NULL || digested(text, size, PyBytes_AS_STRING(digest))) return digest;
    Py_DECREF(digest);
    return hashed_by_hashlib(text, size);
}

/* 1 if the attribute is true, 0 if it is not, -1 with an error. */
static int holds(PyObject *of, PyObject *name) {
    PyObject *value = PyObject_GetAttr(of, name);
    if (value == NULL) return -1;
    int truth = PyObject_IsTrue(value);
    Py_DECREF(value);
    return truth;
}

/* The four parts of a form: a new reference, or NULL with an error. */
static PyObject *parts_of(PyObject *form) {
    PyObject *parts = PyObject_GetAttr(form, n_parts);
    if (parts == NULL) return NULL;
    int good = PyTuple_Check(parts) && PyTuple_GET_SIZE(parts) == PARTS;
    for (int at = 0; good && at < PARTS; at++) good = PyBytes_Check(PyTuple_GET_ITEM(parts, at));
    if (good) return parts;
    Py_DECREF(parts);
    PyErr_SetString(PyExc_TypeError, "a form has four parts of bytes");
    return NULL;
}

/* One more of `form`, which is put to `listed` if it is the first. */
static int count(PyObject *form, PyObject *told, PyObject *listed) {
    int counted = holds(form, n_times);
    if (counted < 0) return -1;
    if (!counted) {
        PyObject *pair = PyTuple_Pack(2, told, form);
        int added = pair == NULL ? -1 : PyList_Append(listed, pair);
        Py_XDECREF(pair);
        if (added < 0) return -1;
    }
    PyObject *times = PyObject_GetAttr(form, n_times), *one = PyLong_FromLong(1), *more = NULL;
    if (times != NULL && one != NULL) more = PyNumber_Add(times, one);
    int set = more == NULL ? -1 : PyObject_SetAttr(form, n_times, more);
    Py_XDECREF(times);
    Py_XDECREF(one);
    Py_XDECREF(more);
    return set;
}

/* --- allow --------------------------------------------------------------------------------------- */

/* Own references to the log's objects: what is asked of Python may put others in their place. */
static int hold(FastPath *self, PyObject **own) {
    for (int at = 0; at < OBJECTS; at++) own[at] = Py_XNewRef(self->own[at]);
    for (int at = 0; at < OBJECTS; at++) {
        if (own[at] == NULL) {
            PyErr_SetString(PyExc_TypeError, "the log is not set up");
            return -1;
        }
    }
    if (PyDict_Check(own[FORMS]) && PyByteArray_Check(own[FRESH]) && PyBytes_Check(own[PREVIOUS]) &&
        PyBytes_GET_SIZE(own[PREVIOUS]) == DIGEST && PyBytes_Check(own[SECOND_TEXT]) && PyList_Check(own[TOLD])) {
        return 0;
    }
    PyErr_SetString(PyExc_TypeError, "the log is set up with other types");
    return -1;
}

static void release(PyObject **own) {
    for (int at = 0; at < OBJECTS; at++) Py_XDECREF(own[at]);
}

/* BODY behind the hash before it: 1, or 0 where there is no room, or -1 with an error. */
static int put_body(Line *line, PyObject **own, PyObject *parts, long long seq, long long micros, PyObject *args) {
    int bad = add_bytes(line, own[PREVIOUS]) || add_bytes(line, PyTuple_GET_ITEM(parts, 0)) ||
              add_number(line, seq, 1) || add_bytes(line, PyTuple_GET_ITEM(parts, 1)) ||
              add_bytes(line, own[SECOND_TEXT]) || add_number(line, micros, 6) ||
              add_bytes(line, PyTuple_GET_ITEM(parts, 2));
    if (!bad && PyBytes_GET_SIZE(args) > 0) {
        PyObject *digest = digest_of(own[KEYED], args);
        if (digest == NULL) return -1;
        bad = add_bytes(line, head_of_digest) || add_hex(line, digest);
        Py_DECREF(digest);
    }
    return !(bad || add_bytes(line, PyTuple_GET_ITEM(parts, 3)));
}

/* The line's hash, which is put behind it: a new reference; NULL with an error, or where there is no room. */
static PyObject *put_seal(Line *line) {
    PyObject *digest = hashed(line->text, line->used);
    if (digest != NULL && (add_bytes(line, head_of_hash) || add_hex(line, digest) || add_bytes(line, line_end))) {
        Py_CLEAR(digest);
    }
    return digest;
}

/* The line is in the file: so says the log from now on. */
static int note(FastPath *self, PyObject **own, const Line *line, PyObject *told, PyObject *form) {
    long long written_seq = self->seq;
    if (count(form, told, own[TOLD]) < 0) return -1;
    if (self->tracked) {
        Py_ssize_t size = PyByteArray_GET_SIZE(own[FRESH]);
        if (PyByteArray_Resize(own[FRESH], size + SEALED) < 0) return -1;
        const char *sealed = line->text + line->used - PyBytes_GET_SIZE(line_end) - SEALED;
        memcpy(PyByteArray_AS_STRING(own[FRESH]) + size, sealed, SEALED);
    }
    if (!self->grouped) return 0;
    int pending = holds(own[SYNCER], n_pending);
    if (pending != 0) return pending < 0 ? -1 : 0;
    PyObject *seq = PyLong_FromLongLong(written_seq), *done = NULL;
    if (seq != NULL) done = PyObject_CallMethodOneArg(own[SYNCER], n_wrote, seq);
    Py_XDECREF(seq);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* 1: the record is written; 0: it is left to `write`; -1 with an error. */
static int write_usual(FastPath *self, PyObject **own, PyObject *told, PyObject *args, PyObject *form, double now) {
    Line line;
    line.used = 0;
    double past = now - self->second;
    long long seq = self->seq;
    if (!(self->since <= past && past < self->until && 0.0 <= past && past < 1.0)) return 0;
    if (self->long_way < 1 || seq >= self->long_way - 1) return 0;
    seq++;
    PyObject *parts = parts_of(form);
    if (parts == NULL) return -1;
    int put = put_body(&line, own, parts, seq, (long long)(past * 1e6), args);
    Py_DECREF(parts);
    if (put <= 0) return put;
    PyObject *digest = put_seal(&line);
    if (digest == NULL) return PyErr_Occurred() ? -1 : 0;
    if (self->seq != seq - 1 || self->own[PREVIOUS] != own[PREVIOUS]) {
        Py_DECREF(digest); /* somebody wrote while Python was asked */
        return 0;
    }
    ssize_t whole = (ssize_t)line.used - DIGEST, took;
    int fd = self->fd;
    Py_BEGIN_ALLOW_THREADS
    took = write(fd, line.text + DIGEST, (size_t)whole);
    Py_END_ALLOW_THREADS
    if (took != whole) {
        Py_DECREF(digest);
        self->excess = took < 0 ? 0 : took;
        self->since = INFINITY;
        self->until = -INFINITY;
        return 0;
    }
    self->size += whole;
    self->seq = seq;
    self->now = now;
    Py_XSETREF(self->own[PREVIOUS], digest);
    return note(self, own, &line, told, form) < 0 ? -1 : 1;
}

/* The same, once it is known what is held; `form` is looked up. */
static int look_up(FastPath *self, PyObject **own, PyObject *told, PyObject *args, double now) {
    if (PyBytes_GET_SIZE(args) > long_args) return 0;
    PyObject *form = Py_XNewRef(PyDict_GetItemWithError(own[FORMS], told));
    if (form == NULL) return PyErr_Occurred() ? -1 : 0;
    int failed = holds(own[SYNCER], n_failure);
    int done = failed == 0 ? write_usual(self, own, told, args, form, now) : failed < 0 ? -1 : 0;
    Py_DECREF(form);
    return done;
}

/* What the log's clock says: -1 with an error. */
static int ask_clock(FastPath *self, double *now) {
    PyObject *clock = Py_XNewRef(self->own[CLOCK]);
    if (clock == NULL) {
        PyErr_SetString(PyExc_TypeError, "the log is not set up");
        return -1;
    }
    PyObject *moment = PyObject_CallNoArgs(clock);
    Py_DECREF(clock);
    if (moment == NULL) return -1;
    *now = PyFloat_AsDouble(moment);
    Py_DECREF(moment);
    return *now == -1.0 && PyErr_Occurred() ? -1 : 0;
}

PyDoc_STRVAR(allow_doc, "allow($self, told, args, /)\n--\n\nSee FastPath.allow of python.py.");

static PyObject *allow(FastPath *self, PyObject *const *given, Py_ssize_t many) {
    if (many != 2 || !PyBytes_Check(given[1])) {
        PyErr_SetString(PyExc_TypeError, "allow() takes what is told, and bytes");
        return NULL;
    }
    double now;
    if (ask_clock(self, &now) < 0) return NULL;
    PyObject *own[OBJECTS];
    int done = hold(self, own);
    if (done == 0) done = look_up(self, own, given[0], given[1], now);
    release(own);
    return done < 0 ? NULL : PyBool_FromLong(done);
}

/* --- the type and the module --------------------------------------------------------------------- */

static int traverse(FastPath *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    for (int at = 0; at < OBJECTS; at++) Py_VISIT(self->own[at]);
    return 0;
}

static int clear(FastPath *self) {
    for (int at = 0; at < OBJECTS; at++) Py_CLEAR(self->own[at]);
    return 0;
}

static void dealloc(FastPath *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    clear(self);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

#define MEMBER(name, type, field) {name, type, offsetof(FastPath, field), 0, NULL}

static PyMemberDef members[] = {
    MEMBER("seq", T_LONGLONG, seq),
    MEMBER("now", T_DOUBLE, now),
    MEMBER("syncer", T_OBJECT_EX, own[SYNCER]),
    MEMBER("_clock", T_OBJECT_EX, own[CLOCK]),
    MEMBER("_excess", T_LONGLONG, excess),
    MEMBER("_fd", T_INT, fd),
    MEMBER("_forms", T_OBJECT_EX, own[FORMS]),
    MEMBER("_fresh", T_OBJECT_EX, own[FRESH]),
    MEMBER("_grouped", T_BOOL, grouped),
    MEMBER("_keyed", T_OBJECT_EX, own[KEYED]),
    MEMBER("_long", T_LONGLONG, long_way),
    MEMBER("_previous", T_OBJECT_EX, own[PREVIOUS]),
    MEMBER("_second", T_DOUBLE, second),
    MEMBER("_second_text", T_OBJECT_EX, own[SECOND_TEXT]),
    MEMBER("_since", T_DOUBLE, since),
    MEMBER("_size", T_LONGLONG, size),
    MEMBER("_told", T_OBJECT_EX, own[TOLD]),
    MEMBER("_tracked", T_BOOL, tracked),
    MEMBER("_until", T_DOUBLE, until),
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef methods[] = {
    {"allow", (PyCFunction)(void (*)(void))allow, METH_FASTCALL, allow_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "See python.py, where the same is said."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_members, members},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "mcpguard.audit.fastpath.compiled.FastPath",
    .basicsize = sizeof(FastPath),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

static int intern(void) {
    struct {
        PyObject **into;
        const char *name;
    } names[] = {
        {&n_copy, "copy"},   {&n_digest, "digest"},   {&n_failure, "failure"}, {&n_parts, "parts"},
        {&n_times, "times"}, {&n_pending, "pending"}, {&n_update, "update"},   {&n_wrote, "wrote"},
    };
    for (size_t at = 0; at < Py_ARRAY_LENGTH(names); at++) {
        *names[at].into = PyUnicode_InternFromString(names[at].name);
        if (*names[at].into == NULL) return -1;
    }
    return 0;
}

/* A constant of python.py: a new reference, or NULL with an error. */
static PyObject *bytes_of(PyObject *python, const char *name) {
    PyObject *value = PyObject_GetAttrString(python, name);
    if (value != NULL && !PyBytes_Check(value)) {
        Py_CLEAR(value);
        PyErr_Format(PyExc_TypeError, "%s is not bytes", name);
    }
    return value;
}

/* Python's constants, if this was built of the source that they go with. */
static int take_constants(void) {
    PyObject *python = PyImport_ImportModule("mcpguard.audit.fastpath.python");
    if (python == NULL) return -1;
    PyObject *source = PyObject_GetAttrString(python, "COMPILED"), *most = NULL;
    if (source != NULL && !(PyUnicode_Check(source) && PyUnicode_CompareWithASCIIString(source, SOURCE_DIGEST) == 0)) {
        PyErr_SetString(PyExc_ImportError, "it was built of another source");
    }
    Py_XDECREF(source);
    if (!PyErr_Occurred()) begun = PyObject_GetAttrString(python, "BEGUN");
    if (!PyErr_Occurred()) domain = bytes_of(python, "DOMAIN");
    if (!PyErr_Occurred()) head_of_hash = bytes_of(python, "HASH_KEY");
    if (!PyErr_Occurred()) head_of_digest = bytes_of(python, "KEYED");
    if (!PyErr_Occurred()) line_end = bytes_of(python, "LINE_END");
    if (!PyErr_Occurred()) most = PyObject_GetAttrString(python, "LONG_ARGS");
    if (!PyErr_Occurred()) long_args = PyLong_AsSsize_t(most);
    Py_XDECREF(most);
    Py_DECREF(python);
    return PyErr_Occurred() ? -1 : 0;
}

/* The library that hashlib's own module is linked with; NULL where there is none, or it is no shared one. */
static void *library_of_hashlib(void) {
    PyObject *hashlib = PyImport_ImportModule("_hashlib"), *file = NULL;
    if (hashlib != NULL) file = PyModule_GetFilenameObject(hashlib);
    const char *path = file == NULL ? NULL : PyUnicode_AsUTF8(file);
    void *library = path == NULL ? NULL : dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
    Py_XDECREF(hashlib);
    Py_XDECREF(file);
    PyErr_Clear();
    return library;
}

/* Take OpenSSL's SHA-256, if it says of a text what hashlib says. -1 with an error. */
static int take_openssl(void) {
    void *library = library_of_hashlib();
    if (library == NULL) return 0;
    void *(*new)(void) = (void *(*)(void))dlsym(library, "EVP_MD_CTX_new");
    const void *(*kind)(void) = (const void *(*)(void))dlsym(library, "EVP_sha256");
    *(void **)&openssl.init = dlsym(library, "EVP_DigestInit_ex");
    *(void **)&openssl.update = dlsym(library, "EVP_DigestUpdate");
    *(void **)&openssl.final = dlsym(library, "EVP_DigestFinal_ex");
    if (!new || !kind || !openssl.init || !openssl.update || !openssl.final) return 0;
    void *context = new();
    if (context == NULL || openssl.init(context, kind(), NULL) != 1) return 0;
    openssl.context = context;
    char digest[DIGEST];
    PyObject *expected = hashed_by_hashlib(SOURCE_DIGEST, sizeof SOURCE_DIGEST);
    if (expected == NULL) return -1;
    for (int times = 0; times < 2 && openssl.context != NULL; times++) { /* the context is used again and again */
        int same = digested(SOURCE_DIGEST, sizeof SOURCE_DIGEST, digest) &&
                   memcmp(digest, PyBytes_AS_STRING(expected), DIGEST) == 0;
        if (!same) openssl.context = NULL;
    }
    Py_DECREF(expected);
    return 0;
}

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "compiled",
    .m_doc = "python.py, compiled.",
    .m_size = -1,
};

PyMODINIT_FUNC PyInit_compiled(void) {
    if (intern() < 0 || take_constants() < 0 || take_openssl() < 0) return NULL;
    PyObject *made = PyModule_Create(&module), *type = made == NULL ? NULL : PyType_FromSpec(&spec);
    int added = type == NULL ? -1 : PyModule_AddObjectRef(made, "FastPath", type);
    if (added == 0) added = PyModule_AddStringConstant(made, "HASHES", openssl.context == NULL ? "hashlib" : "OpenSSL");
    Py_XDECREF(type);
    if (added < 0) Py_CLEAR(made);
    return made;
}
