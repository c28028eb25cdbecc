/* python.py, compiled. What it does is said there; tests hold the two against each other.
 *
 * Nothing here is remembered from one text to the next, and no bytecode is run for a word.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <math.h>

#ifndef SOURCE_DIGEST
#error "say -DSOURCE_DIGEST, as scripts/hatch_build.py does: what was built of another source is not used"
#endif

/* What python.py says, read once. */
static PyTypeObject *sentence;
static PyObject *comma, *no_codes, *common;
static Py_ssize_t longest, letters, bits, zero, around, stem;
static uint64_t pair, stemmed, stem_pair, near;
static Py_UCS4 end_mark, pause_mark;
static char leads[0x80], blanks[0x80]; /* whether a character of ASCII is one of LEADS, or a blank */

enum { START, END, WORDS, CODES, MEMBERS };

/* The first and last characters of scripts without spaces, as python.py's `_parts` has them. */
enum { FIRST_UNSPACED = 0x0e00, LAST_UNSPACED = 0xffdc, ASCII = 0x80 };

typedef struct {
    int kind;
    const void *data;
    Py_ssize_t size;
    PyObject *text;
} Text;

static Text text_of(PyObject *text) {
    return (Text){PyUnicode_KIND(text), PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text), text};
}

static inline Py_UCS4 letter_at(const Text *text, Py_ssize_t at) {
    return PyUnicode_READ(text->kind, text->data, at);
}

static inline int is_blank(Py_UCS4 letter) {
    return letter < ASCII ? blanks[letter] : Py_UNICODE_ISSPACE(letter);
}

/* --- sentences ----------------------------------------------------------------------------------- */

/* A text that is divided, and where its concepts begin. */
typedef struct {
    Text text, low;
    PyObject *concepts, *starts, *found;
    Py_ssize_t begun; /* concepts of the parts before */
} Division;

/* Whether a new line, which begins at `at`, goes on with the sentence before it. */
static int goes_on(const Text *text, Py_ssize_t at) {
    while (at < text->size && letter_at(text, at) < ASCII && leads[letter_at(text, at)]) at++;
    return at < text->size && Py_UNICODE_ISLOWER(letter_at(text, at));
}

static int append(PyObject *list, PyObject *item) {
    int done = item == NULL ? -1 : PyList_Append(list, item);
    Py_XDECREF(item);
    return done;
}

/* Add the word from `at` to `end`; of a script without spaces its pairs of characters. */
static int add_word(PyObject *words, const Text *low, Py_ssize_t at, Py_ssize_t end) {
    if (end - at > letters) end = at + letters;
    Py_UCS4 first = letter_at(low, at);
    if (first >= FIRST_UNSPACED && first <= LAST_UNSPACED && end - at > 1) {
        for (; at < end - 1; at++) {
            if (append(words, PyUnicode_Substring(low->text, at, at + 2)) < 0) return -1;
        }
        return 0;
    }
    return append(words, PyUnicode_Substring(low->text, at, end));
}

/* The words from `at` to `end`: a new list, or NULL with an error. `first`: where they begin, `end` without any. */
static PyObject *words_of(const Text *low, Py_ssize_t at, Py_ssize_t end, Py_ssize_t *first) {
    PyObject *words = PyList_New(0);
    *first = end;
    while (words != NULL) {
        while (at < end && is_blank(letter_at(low, at))) at++;
        if (at >= end) break;
        if (*first == end) *first = at;
        Py_ssize_t begin = at;
        while (at < end && letter_at(low, at) != pause_mark && !is_blank(letter_at(low, at))) at++;
        int done = at > begin ? add_word(words, low, begin, at) : PyList_Append(words, comma);
        at += at == begin;
        if (done < 0) Py_CLEAR(words);
    }
    return words;
}

/* The letters of the concepts that begin before `end` and not in a part before: new, or NULL with an error. */
static PyObject *share_of(Division *division, Py_ssize_t end) {
    Py_ssize_t first = division->begun, last = first, many = PyList_GET_SIZE(division->starts), used = 0;
    while (last < many) {
        Py_ssize_t start = PyLong_AsSsize_t(PyList_GET_ITEM(division->starts, last));
        if (start == -1 && PyErr_Occurred()) return NULL;
        if (start > end) break;
        last++;
    }
    division->begun = last;
    if (first == last) return Py_NewRef(no_codes);
    Text concepts = text_of(division->concepts);
    if (last > concepts.size) last = concepts.size;
    PyObject *codes = NULL;
    Py_UCS4 *kept = PyMem_New(Py_UCS4, last > first ? last - first : 1);
    if (kept == NULL) return PyErr_NoMemory();
    for (; first < last; first++) {
        Py_UCS4 code = letter_at(&concepts, first);
        if (code != '_' && code != '.') kept[used++] = code;
    }
    codes = PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, kept, used);
    PyMem_Free(kept);
    return codes;
}

/* Add one sentence. Takes `words` and `codes`, which may be NULL with an error. */
static int add_sentence(PyObject *found, Py_ssize_t start, Py_ssize_t end, PyObject *words, PyObject *codes) {
    PyObject *first = PyLong_FromSsize_t(start), *last = PyLong_FromSsize_t(end), *made = NULL;
    if (words != NULL && codes != NULL && first != NULL && last != NULL) made = sentence->tp_alloc(sentence, MEMBERS);
    if (made == NULL) {
        Py_XDECREF(first);
        Py_XDECREF(last);
        Py_XDECREF(words);
        Py_XDECREF(codes);
        return -1;
    }
    PyTuple_SET_ITEM(made, START, first);
    PyTuple_SET_ITEM(made, END, last);
    PyTuple_SET_ITEM(made, WORDS, words);
    PyTuple_SET_ITEM(made, CODES, codes);
    return append(found, made);
}

/* Add what stands from `begin` to `end`: a sentence, several where it has many words, none where it has no word. */
static int add_part(Division *division, Py_ssize_t begin, Py_ssize_t end) {
    Py_ssize_t start, done = 0;
    PyObject *codes = share_of(division, end);
    PyObject *words = codes == NULL ? NULL : words_of(&division->low, begin, end, &start);
    Py_ssize_t many = words == NULL ? 0 : PyList_GET_SIZE(words);
    if (words == NULL || many == 0) {
        done = words == NULL ? -1 : 0;
    } else if (many <= longest) {
        return add_sentence(division->found, start, end, words, codes);
    } else {
        Py_ssize_t pieces = (many + longest - 1) / longest, size = PyUnicode_GET_LENGTH(codes);
        for (Py_ssize_t piece = 0; done == 0 && piece < pieces; piece++) {
            PyObject *own = PyList_GetSlice(words, piece * longest, (piece + 1) * longest);
            PyObject *share = PyUnicode_Substring(codes, size * piece / pieces, size * (piece + 1) / pieces);
            done = add_sentence(division->found, start, end, own, share);
        }
    }
    Py_XDECREF(words);
    Py_XDECREF(codes);
    return (int)done;
}

static int divide(Division *division) {
    const Text *low = &division->low, *text = &division->text;
    Py_ssize_t begin = 0;
    for (Py_ssize_t at = 0; at < low->size; at++) {
        if (letter_at(low, at) != end_mark && (letter_at(text, at) != '\n' || goes_on(text, at + 1))) continue;
        if (add_part(division, begin, at) < 0) return -1;
        begin = at + 1;
    }
    return add_part(division, begin, low->size);
}

static PyObject *divided(PyObject *Py_UNUSED(self), PyObject *given, PyObject *named) {
    static char *names[] = {"text", "low", "concepts", "starts", NULL};
    PyObject *text, *low, *concepts = no_codes, *starts = NULL;
    if (!PyArg_ParseTupleAndKeywords(given, named, "UU|UO:divided", names, &text, &low, &concepts, &starts)) return NULL;
    if (PyUnicode_GET_LENGTH(text) != PyUnicode_GET_LENGTH(low)) {
        PyErr_SetString(PyExc_ValueError, "the lowered text has another length");
        return NULL;
    }
    Division division = {.text = text_of(text), .low = text_of(low), .concepts = concepts};
    division.starts = starts == NULL ? PyList_New(0) : PySequence_List(starts);
    division.found = division.starts == NULL ? NULL : PyList_New(0);
    if (division.found != NULL && divide(&division) < 0) Py_CLEAR(division.found);
    Py_XDECREF(division.starts);
    return division.found;
}

/* --- their words --------------------------------------------------------------------------------- */

static uint32_t crcs[0x100];

/* CRC-32 as zlib has it: ISO 3309, the polynomial reversed. */
static void prepare_crcs(void) {
    for (uint32_t byte = 0; byte < Py_ARRAY_LENGTH(crcs); byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
        crcs[byte] = crc;
    }
}

static uint32_t crc_of(const char *text, Py_ssize_t size) {
    uint32_t crc = 0xffffffffu;
    for (Py_ssize_t at = 0; at < size; at++) crc = crcs[(crc ^ (unsigned char)text[at]) & 0xff] ^ crc >> 8;
    return ~crc;
}

static uint32_t number_of_text(const char *text, Py_ssize_t size) {
    return crc_of(text, size) & (((uint32_t)1 << bits) - 1);
}

/* The words of one of the sentences: borrowed, or NULL with an error. */
static PyObject *words_at(PyObject *told, Py_ssize_t at) {
    PyObject *each = PySequence_Fast_GET_ITEM(told, at);
    int whole = PyObject_TypeCheck(each, sentence) && PyTuple_GET_SIZE(each) == MEMBERS;
    if (whole && PyList_Check(PyTuple_GET_ITEM(each, WORDS))) return PyTuple_GET_ITEM(each, WORDS);
    PyErr_SetString(PyExc_TypeError, "it is no sentence with a list of words");
    return NULL;
}

/* Numbers of words, each once: which of all there are, and in what order they came. */
typedef struct {
    unsigned char *seen;
    uint32_t *numbers;
    Py_ssize_t used, room;
} Glance;

/* Take the numbers of `words`. -1 with an error. */
static int look_at(Glance *glance, PyObject *words) {
    Py_ssize_t many = PyList_GET_SIZE(words);
    if (many > glance->room) {
        uint32_t *numbers = PyMem_Realloc(glance->numbers, (size_t)many * sizeof *numbers);
        if (numbers == NULL) return PyErr_NoMemory(), -1;
        glance->numbers = numbers;
        glance->room = many;
    }
    for (Py_ssize_t at = 0; at < many; at++) {
        Py_ssize_t size;
        const char *word = PyUnicode_AsUTF8AndSize(PyList_GET_ITEM(words, at), &size);
        if (word == NULL) return -1;
        uint32_t number = number_of_text(word, size);
        unsigned char bit = (unsigned char)(1u << (number & 7));
        if (glance->seen[number >> 3] & bit) continue;
        glance->seen[number >> 3] |= bit;
        glance->numbers[glance->used++] = number;
    }
    return 0;
}

/* What the numbers weigh; forgets them. */
static long long weighed(Glance *glance, const unsigned char *weights) {
    long long weight = 0;
    for (Py_ssize_t at = 0; at < glance->used; at++) {
        uint32_t number = glance->numbers[at];
        weight += (long long)weights[number] - zero;
        glance->seen[number >> 3] = 0;
    }
    glance->used = 0;
    return weight;
}

static int choose(PyObject *chosen, Glance *glance, PyObject *told, const char *weights, double least) {
    for (Py_ssize_t at = 0; at < PySequence_Fast_GET_SIZE(told); at++) {
        PyObject *words = words_at(told, at);
        if (words == NULL || look_at(glance, words) < 0) return -1;
        double bound = least * sqrt((double)glance->used + 1);
        if (!((double)weighed(glance, (const unsigned char *)weights) >= bound)) continue; /* nor of no number */
        PyObject *number = PyLong_FromSsize_t(at);
        int done = number == NULL ? -1 : PySet_Add(chosen, number);
        Py_XDECREF(number);
        if (done < 0) return -1;
    }
    return 0;
}

static PyObject *worthy(PyObject *Py_UNUSED(self), PyObject *given, PyObject *named) {
    static char *names[] = {"told", "weights", "least", NULL};
    PyObject *told, *weights;
    double least;
    if (!PyArg_ParseTupleAndKeywords(given, named, "OSd:worthy", names, &told, &weights, &least)) return NULL;
    if (PyBytes_GET_SIZE(weights) < (Py_ssize_t)1 << bits) {
        return PyErr_Format(PyExc_ValueError, "%zd weights, not %zd", PyBytes_GET_SIZE(weights), (Py_ssize_t)1 << bits);
    }
    Glance glance = {.seen = PyMem_Calloc((size_t)1 << (bits - 3), 1)};
    if (glance.seen == NULL) return PyErr_NoMemory();
    PyObject *many = PySequence_Fast(told, "no sentences"), *chosen = many == NULL ? NULL : PySet_New(NULL);
    if (chosen != NULL && choose(chosen, &glance, many, PyBytes_AS_STRING(weights), least) < 0) Py_CLEAR(chosen);
    Py_XDECREF(many);
    PyMem_Free(glance.seen);
    PyMem_Free(glance.numbers);
    return chosen;
}

/* --- what they give ------------------------------------------------------------------------------- */

static int add_number(PyObject *found, uint64_t number) {
    PyObject *made = PyLong_FromUnsignedLongLong(number & (((uint64_t)1 << bits) - 1));
    int done = made == NULL ? -1 : PySet_Add(found, made);
    Py_XDECREF(made);
    return done;
}

/* The number of the stem of `word`, 0 where it has none; -1 with an error. */
static int64_t stem_of(PyObject *word) {
    if (!PyUnicode_CheckExact(word)) { /* no code of another class runs while words are borrowed */
        PyErr_SetString(PyExc_TypeError, "a word is no str");
        return -1;
    }
    int small = PySet_Contains(common, word);
    if (small) return small < 0 ? -1 : 0;
    if (PyUnicode_IS_ASCII(word)) {
        Py_ssize_t size = PyUnicode_GET_LENGTH(word);
        return number_of_text(PyUnicode_DATA(word), size < stem ? size : stem);
    }
    PyObject *first = PyUnicode_Substring(word, 0, stem);
    Py_ssize_t size;
    const char *text = first == NULL ? NULL : PyUnicode_AsUTF8AndSize(first, &size);
    int64_t number = text == NULL ? -1 : (int64_t)number_of_text(text, size);
    Py_XDECREF(first);
    return number;
}

/* Add what the words of the sentence itself give. */
static int add_own(PyObject *found, PyObject *words) {
    uint64_t last = 1, last_stem = 1;
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(words); at++) {
        PyObject *word = PyList_GET_ITEM(words, at);
        Py_ssize_t size;
        const char *text = PyUnicode_AsUTF8AndSize(word, &size);
        if (text == NULL) return -1;
        uint64_t number = number_of_text(text, size);
        if (add_number(found, number) < 0 || add_number(found, last * pair + number) < 0) return -1;
        last = number;
        int64_t own = stem_of(word);
        if (own == 0) continue;
        number = (uint64_t)own;
        if (own < 0 || add_number(found, number * stemmed) < 0) return -1;
        if (add_number(found, last_stem * stem_pair + number) < 0) return -1;
        last_stem = number;
    }
    return 0;
}

/* Add the stems of the words of a sentence near by. */
static int add_near(PyObject *found, PyObject *words) {
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(words); at++) {
        int64_t own = stem_of(PyList_GET_ITEM(words, at));
        if (own < 0 || (own > 0 && add_number(found, (uint64_t)own * near) < 0)) return -1;
    }
    return 0;
}

static int add_wording(PyObject *found, PyObject *told, Py_ssize_t at) {
    Py_ssize_t first = at > around ? at - around : 0, many = PySequence_Fast_GET_SIZE(told);
    PyObject *words = words_at(told, at);
    if (words == NULL || add_own(found, words) < 0) return -1;
    for (; first < many && first <= at + around; first++) {
        words = words_at(told, first);
        if (words == NULL || add_near(found, words) < 0) return -1;
    }
    return 0;
}

static PyObject *wording(PyObject *Py_UNUSED(self), PyObject *given, PyObject *named) {
    static char *names[] = {"told", "at", NULL};
    PyObject *told;
    Py_ssize_t at;
    if (!PyArg_ParseTupleAndKeywords(given, named, "On:wording", names, &told, &at)) return NULL;
    PyObject *many = PySequence_Fast(told, "no sentences"), *found = NULL;
    if (many != NULL && (at < 0 || at >= PySequence_Fast_GET_SIZE(many))) {
        PyErr_SetString(PyExc_IndexError, "there is no such sentence");
    } else if (many != NULL) {
        found = PySet_New(NULL);
    }
    if (found != NULL && add_wording(found, many, at) < 0) Py_CLEAR(found);
    Py_XDECREF(many);
    return found;
}

/* --- the module ---------------------------------------------------------------------------------- */

static PyMethodDef functions[] = {
    {"divided", (PyCFunction)(void (*)(void))divided, METH_VARARGS | METH_KEYWORDS, "python.py says what it does."},
    {"wording", (PyCFunction)(void (*)(void))wording, METH_VARARGS | METH_KEYWORDS, "python.py says what it does."},
    {"worthy", (PyCFunction)(void (*)(void))worthy, METH_VARARGS | METH_KEYWORDS, "python.py says what it does."},
    {NULL, NULL, 0, NULL},
};

static Py_ssize_t number_of(PyObject *python, const char *name) {
    PyObject *value = PyErr_Occurred() ? NULL : PyObject_GetAttrString(python, name);
    Py_ssize_t number = value == NULL ? -1 : PyLong_AsSsize_t(value);
    Py_XDECREF(value);
    return number;
}

/* A constant that is a text of ASCII: a new reference, or NULL with an error. */
static PyObject *text_named(PyObject *python, const char *name) {
    PyObject *value = PyErr_Occurred() ? NULL : PyObject_GetAttrString(python, name);
    if (value != NULL && !(PyUnicode_Check(value) && PyUnicode_IS_ASCII(value) && PyUnicode_GET_LENGTH(value) > 0)) {
        Py_CLEAR(value);
        PyErr_Format(PyExc_TypeError, "%s is no text of ASCII", name);
    }
    return value;
}

static Py_UCS4 letter_named(PyObject *python, const char *name) {
    PyObject *value = text_named(python, name);
    Py_UCS4 letter = value == NULL ? 0 : PyUnicode_READ_CHAR(value, 0);
    Py_XDECREF(value);
    return letter;
}

/* Python's constants, if this was built of the source that they go with. */
static int take_constants(void) {
    PyObject *python = PyImport_ImportModule("mcpguard.scan.threats.classifier.fastpath.python");
    if (python == NULL) return -1;
    PyObject *source = PyObject_GetAttrString(python, "COMPILED");
    if (source != NULL && !(PyUnicode_Check(source) && PyUnicode_CompareWithASCIIString(source, SOURCE_DIGEST) == 0)) {
        PyErr_SetString(PyExc_ImportError, "it was built of another source");
    }
    Py_XDECREF(source);
    longest = number_of(python, "LONGEST");
    letters = number_of(python, "LETTERS");
    bits = number_of(python, "BITS");
    zero = number_of(python, "ZERO");
    around = number_of(python, "AROUND");
    stem = number_of(python, "STEM");
    pair = (uint64_t)number_of(python, "PAIR");
    stemmed = (uint64_t)number_of(python, "STEMMED");
    stem_pair = (uint64_t)number_of(python, "STEM_PAIR");
    near = (uint64_t)number_of(python, "NEAR");
    end_mark = letter_named(python, "ENDS");
    pause_mark = letter_named(python, "PAUSE");
    comma = text_named(python, "COMMA");
    PyObject *led = text_named(python, "LEADS");
    for (Py_ssize_t at = 0; led != NULL && at < PyUnicode_GET_LENGTH(led); at++) leads[PyUnicode_READ_CHAR(led, at)] = 1;
    Py_XDECREF(led);
    if (!PyErr_Occurred()) common = PyObject_GetAttrString(python, "COMMON");
    if (!PyErr_Occurred()) sentence = (PyTypeObject *)PyObject_GetAttrString(python, "Sentence");
    Py_DECREF(python);
    if (PyErr_Occurred()) return -1;
    if (!PyType_Check(sentence) || !PyType_IsSubtype(sentence, &PyTuple_Type) || !PyFrozenSet_Check(common) ||
        longest < 1 || letters < 1 || bits < 3 || bits > 31) {
        PyErr_SetString(PyExc_ImportError, "python.py says something else");
        return -1;
    }
    return 0;
}

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "compiled",
    .m_doc = "python.py, compiled.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit_compiled(void) {
    no_codes = PyUnicode_FromString("");
    if (no_codes == NULL || take_constants() < 0) return NULL;
    for (Py_UCS4 letter = 0; letter < ASCII; letter++) blanks[letter] = (char)Py_UNICODE_ISSPACE(letter);
    prepare_crcs();
    return PyModule_Create(&module);
}
