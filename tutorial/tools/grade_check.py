"""What a student's file may be made of: looked at before it is linked, so before any of it runs.

Two looks. At the source: no assembler, no include outside a list, no directive that hides either.
At the object: it defines what the reference's object defines and no more (so no main, no malloc, no
part of GoogleTest), and calls what the reference calls, the language's library, and nothing of the
system's. Each refusal is a sentence with the line where there is one.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

HEADERS = set("""algorithm array bit bitset cassert cctype cfloat cinttypes climits cmath compare complex
concepts cstddef cstdint cstdio cstdlib cstring deque exception forward_list functional initializer_list
iomanip ios iosfwd iostream istream iterator limits list map memory numbers numeric optional ostream queue
random ranges ratio set span sstream stack stdexcept streambuf string string_view tuple type_traits
typeinfo unordered_map unordered_set utility valarray variant vector assert.h math.h stddef.h stdint.h
string.h float.h limits.h stdio.h stdlib.h""".split())
DIRECTIVES = {"include", "if", "ifdef", "ifndef", "elif", "else", "endif", "define", "undef", "pragma",
              "error"}
PRAGMAS = re.compile(r"once|unroll|GCC unroll|GCC ivdep|GCC diagnostic |nv_")
# What a cut file may include besides: errors, and what stands in a kernel that is not done.
STUB_HEADERS = {"support/error.h", "support/order.h", "support/names.h", "support/text.h", "cuda/support/not_done.h"}
WORDS = {
    "asm": "assembler", "__asm": "assembler", "__asm__": "assembler",
    "__attribute__": "an attribute of the compiler's own", "__attribute": "an attribute of the compiler's own",
    "__builtin_return_address": "a look at the stack", "__builtin_frame_address": "a look at the stack",
    "_Pragma": "a pragma in a macro",
}
GNU_ATTRIBUTE = re.compile(r"\bgnu\s*::\s*(\w+)")
GNU_ALLOWED = {"always_inline", "noinline", "hot", "cold", "pure", "const", "unused", "used", "flatten",
               "vector_size", "aligned", "packed", "may_alias", "target", "optimize"}
TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)|R"(?P<mark>[^\s()\\]{0,16})\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|"""
    r"""(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'""", re.DOTALL)
# Functions of C that a lab may call; the reference's own are added. All others are the system's.
C_FUNCTIONS = set("""memcpy memmove memset memcmp memchr strlen strcmp strncmp strchr abs labs llabs div
printf fprintf puts putchar putc fputc fputs fwrite fflush snprintf sprintf vsnprintf stdout stderr
strtod strtol strtoll strtoull strtof atoi atof qsort isalpha isdigit isspace isupper islower isalnum
ispunct tolower toupper abort __assert_fail __errno_location __dso_handle _GLOBAL_OFFSET_TABLE_
_Unwind_Resume __gxx_personality_v0 __stack_chk_fail __tls_get_addr rand srand
__printf_chk __fprintf_chk __sprintf_chk __snprintf_chk __memcpy_chk __memset_chk __memmove_chk
_Unwind_DeleteException""".split())
C_PATTERN = re.compile(r"__cxa_(?!thread_atexit)\w+|__emutls\w*|"
                       r"(l|ll)?(exp|exp2|expm1|log|log2|log10|log1p|pow|sqrt|cbrt|hypot|sin|cos|tan|asin|acos|"
                       r"atan|atan2|sinh|cosh|tanh|asinh|acosh|atanh|erf|erfc|lgamma|tgamma|ceil|floor|trunc|"
                       r"round|rint|nearbyint|lround|llround|lrint|llrint|fmod|remainder|remquo|fmin|fmax|fdim|"
                       r"fma|fabs|frexp|ldexp|modf|scalbn|scalbln|ilogb|logb|nextafter|nexttoward|copysign|sincos"
                       r"|nan)[fl]?")
STD_REFUSED = re.compile(r"^std::(filesystem|basic_filebuf|basic_ofstream|basic_ifstream|basic_fstream|"
                         r"thread|this_thread|exit|quick_exit|_Exit|at_quick_exit|atexit|set_terminate|"
                         r"condition_variable|__future_base|basic_file|__basic_file|locale::global)\b")
WHAT = {
    "fork": "starts processes", "vfork": "starts processes", "clone": "starts processes",
    "posix_spawn": "starts processes", "system": "starts processes", "popen": "starts processes",
    "pthread_create": "starts threads",
    "execve": "starts programs", "execv": "starts programs", "execl": "starts programs",
    "execvp": "starts programs", "execlp": "starts programs",
    "exit": "ends the program", "_exit": "ends the program", "_Exit": "ends the program",
    "quick_exit": "ends the program", "kill": "sends signals", "raise": "sends signals",
    "signal": "catches signals", "sigaction": "catches signals",
    "open": "opens files", "fopen": "opens files", "open64": "opens files", "fopen64": "opens files",
    "creat": "opens files", "write": "writes to descriptors", "read": "reads descriptors",
    "socket": "uses the network", "connect": "uses the network", "getaddrinfo": "uses the network",
    "ptrace": "looks into processes", "dlopen": "loads libraries", "dlsym": "loads libraries",
    "syscall": "calls the system", "mprotect": "changes memory's rights", "mmap": "maps memory",
    "environ": "reads the environment", "getenv": "reads the environment",
    "sleep": "sleeps", "usleep": "sleeps", "nanosleep": "sleeps", "clock_gettime": "reads the clock",
    "setjmp": "jumps out of functions", "longjmp": "jumps out of functions",
}


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


# --- the source ---


def without_comments(text: str, keep_strings: bool) -> str:
    """Comments become blanks, strings too unless they are kept; lines stay where they are."""

    def blank(found: re.Match[str]) -> str:
        if found["comment"] is None and keep_strings:
            return found.group()
        return re.sub(r"[^\n]", " ", found.group())

    return TOKEN.sub(blank, text)


def include_allowed(name: str, quoted: bool, allowed: set[str]) -> bool:
    if name in allowed:  # the reference's own
        return True
    if quoted:
        return name in STUB_HEADERS
    return name in HEADERS


def directive_offence(line: str, allowed: set[str], macros: set[str] | None) -> str:
    found = re.match(r"\s*(?:#|%:|\?\?=)\s*(\w*)\s*(.*)", line)
    word, rest = found[1], found[2].strip()
    if not word and not rest:
        return ""
    if word not in DIRECTIVES or not re.match(r"\s*#", line):
        return f"`#{word}` is not a directive that a lab needs"
    if word == "pragma" and not PRAGMAS.match(rest):
        return f"`#pragma {rest}` is not one that a lab needs"
    if word in ("define", "undef") and macros is not None and re.match(r"\w*", rest)[0] not in macros:
        return "a header may not define macros: it is compiled together with the tests"
    if word == "include":
        name = re.fullmatch(r'<([^<>"]+)>|"([^<>"]+)"', rest)
        if not name:
            return f"`#include {rest}`: expected a name in quotes"
        if not include_allowed(name[1] or name[2], name[2] is not None, allowed):
            return (f"`#include {rest}`: allowed are the headers that the file had at first and the standard "
                    "library's (tutorial/grading.md lists them)")
    return ""


def includes_of(text: str) -> set[str]:
    plain = without_comments(text, keep_strings=True)
    return {a or b for a, b in re.findall(r'^\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")', plain, re.MULTILINE)}


def source_offences(path: str, text: str, reference: str) -> list[str]:
    """Sentences about a student's source; `reference` is the uncut file's text."""
    allowed = includes_of(reference)
    is_header = Path(path).suffix in (".h", ".cuh")
    macros = set(re.findall(r"^\s*#\s*(?:define|undef)\s+(\w+)", reference, re.MULTILINE)) if is_header else None
    offences = []
    if "\0" in text:
        return [f"{path}: it holds bytes of value 0: is it a source?"]
    # Lines joined by a backslash are one, and what follows keeps its number.
    joined = re.sub(r"((?:[^\n]*\\[ \t]*\n)+)([^\n]*)",
                    lambda found: re.sub(r"\\[ \t]*\n", "", found[1]) + found[2] + "\n" * found[1].count("\n"),
                    text)
    with_strings = without_comments(joined, keep_strings=True)
    code = without_comments(joined, keep_strings=False)
    known = set(re.findall(r"\w+", without_comments(reference, keep_strings=False)))
    for number, (full, bare) in enumerate(zip(with_strings.split("\n"), code.split("\n")), 1):
        said = ""
        if re.match(r"\s*(#|%:|\?\?=)", bare):
            said = directive_offence(full, allowed, macros)
        for word in re.findall(r"\w+", bare):
            if word in WORDS and word not in known:
                said = f"`{word}` is {WORDS[word]}, which no lab needs"
        for word in GNU_ATTRIBUTE.findall(bare):
            if (is_header or word not in GNU_ALLOWED) and word not in known:
                said = f"the attribute `gnu::{word}` is not one that a lab needs"
        if said:
            offences.append(f"{path}:{number}: {said}")
    return offences


def preprocessed_offences(path: str, output: str, own: str, reference: str) -> list[str]:
    """The second look at a source, at what `g++ -E` makes of it: macros and clever quoting hide nothing.
    `own` is the student's file as the compiler was told its name."""
    allowed = includes_of(reference)
    offences, here, line_number = [], False, 0
    for line in output.split("\n"):
        marker = re.match(r'# (\d+) "((?:[^"\\]|\\.)*)"((?: \d)*)', line)
        if marker:
            entered = "1" in marker[3].split()
            if entered and here and marker[2] not in ("<built-in>", "<command line>"):  # clang's
                known = allowed | HEADERS | STUB_HEADERS
                if not any(marker[2].endswith("/" + name) or marker[2] == name for name in known):
                    offences.append(f"{path}:{line_number}: it includes {Path(marker[2]).name} in a roundabout way")
            here, line_number = marker[2] == own, int(marker[1])
            continue
        if here and re.search(r"\b(asm|__asm|__asm__)\b", without_comments(line, keep_strings=False)):
            offences.append(f"{path}:{line_number}: assembler, through a macro")
        line_number += 1
    return offences


# --- the object ---


@dataclass
class Symbols:
    defined: dict[str, str] = field(default_factory=dict)  # name -> kind, as nm has it
    undefined: set[str] = field(default_factory=set)
    started: set[str] = field(default_factory=set)  # what runs before main() refers to
    starts: bool = False
    odd_sections: set[str] = field(default_factory=set)

    def to_json(self) -> dict:
        return {name: sorted(value) if isinstance(value, set) else value for name, value in vars(self).items()}

    @staticmethod
    def from_json(saved: dict) -> Symbols:
        return Symbols(**{name: set(value) if isinstance(value, list) else value for name, value in saved.items()})


def tool(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60)
    if done.returncode != 0:
        raise OSError(f"{command[0]}: {done.stderr.strip()[:300]}")
    return done.stdout


def startup_calls(obj: str) -> tuple[bool, set[str]]:
    """Whether anything runs before main(), and what is called then."""
    section, relocations = "", {}
    for line in tool("readelf", "-rW", obj).split("\n"):
        title = re.match(r"Relocation section '\.rela?([^']+)'", line)
        if title:
            section = title[1]
            continue
        words = line.split()
        if len(words) >= 5 and re.fullmatch(r"[0-9a-f]{12,16}", words[0]):
            relocations.setdefault(section, set()).add(words[4])
    ahead = [name for name in relocations
             if re.match(r"\.(preinit_array|init_array|fini_array|ctors|dtors|init|fini)\b", name)]
    calls, seen = set(), set()
    waiting = [target for name in ahead for target in relocations[name]]
    while waiting:
        target = waiting.pop()
        if target in seen:
            continue
        seen.add(target)
        # The compiler's own functions for this are followed; what they call is what matters.
        if re.search(r"static_initialization_and_destruction_0|_GLOBAL__sub_[ID]", target):
            for part in (target, ".text." + target, ".text.startup." + target):
                waiting += relocations.get(part, ())
        elif not target.startswith((".bss", ".rodata", ".data", "_ZStL8__ioinit", "_ZL")):
            calls.add(re.sub(r"^\.text\.(startup\.)?", "", target))
    return bool(ahead), calls


def symbols_of(objects: list[str]) -> Symbols:
    all_of = Symbols()
    for obj in objects:
        for line in tool("nm", "-gP", obj).split("\n"):
            words = line.split()
            if len(words) < 2 or words[1] == "n":
                continue
            if words[1] in "Uvw":
                all_of.undefined.add(words[0])
            else:
                all_of.defined[words[0]] = words[1]
        starts, calls = startup_calls(obj)
        all_of.starts |= starts
        all_of.started |= calls
        for found in re.findall(r"\]\s+(\.(?:preinit_array|init|fini|ctors|dtors|interp)(?!_)[\w.]*)\s",
                                tool("readelf", "-SW", obj)):
            all_of.odd_sections.add(found)
    all_of.undefined -= set(all_of.defined)
    return all_of


def demangled(names: list[str]) -> dict[str, str]:
    if not names:
        return {}
    try:
        done = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        return {name: name for name in names}
    return dict(zip(names, done.stdout.split("\n")))


def plain_name(text: str) -> str:
    """`ramoe::cat<int>(int)` -> ramoe::cat; the return type of a template's instance is left out."""
    depth, out = 0, ""
    for c in text.replace("operator<", "operator_").replace("operator()", "operator_"):
        depth += c == "<"
        if depth == 0:
            if c == "(" and out and not out.endswith(" "):
                break
            out += c
        depth -= c == ">" and depth > 0
    return out.split(" ")[-1] if " " in out else out


def library_symbol(name: str) -> bool:
    """Templates and inline functions of the standard library, which any object may hold."""
    return name.startswith(("std::", "__gnu_cxx::", "operator new", "operator delete", "__cxxabiv1::"))


# The same by their mangled names: "operator bool" and "decltype (...)" have no plain name.
OF_LIBRARY = re.compile(r"_ZN?K?(?:S[tabsiod]|9__gnu_cxx)")
REFUSED_HOMES = re.compile(r"(?:vtable for |typeinfo for |typeinfo name for |guard variable for )?"
                           r"(testing::|std::|__gnu_cxx::|__cxxabiv1::|operator new|operator delete)")


def definition_offence(name: str, shown: str, kind: str, taken: set[str]) -> str:
    """About a symbol that the reference's object does not define. One's own functions do no harm as
    long as nobody else defines or calls one of that name (`taken`)."""
    if name == "main" or re.match(r"main\(", shown):
        return "it defines main(), which is the tests' own"
    weak = kind in "WVu"  # templates and inline functions: of headers, or the student's own
    if name.startswith("DW.ref.") or name == "__clang_call_terminate":
        return ""
    home = REFUSED_HOMES.match(shown) or REFUSED_HOMES.match(plain_name(shown))
    if home and weak and home[1] != "testing::":
        return ""
    if not name.startswith("_Z") or home or name in taken:
        return f"it defines `{shown[:120]}`, which is not the lab's to define"
    return ""


def call_offence(name: str, shown: str) -> str:
    plain = plain_name(shown)
    if not name.startswith("_Z"):
        bare = name.split("@")[0]
        if bare in C_FUNCTIONS or C_PATTERN.fullmatch(bare):
            return ""
        what = WHAT.get(bare) or WHAT.get(bare.lstrip("_"))
        return f"it calls `{bare}`" + (f", which {what}" if what else "") + ": no lab needs it"
    if STD_REFUSED.match(plain):
        return f"it uses `{plain}`: files, threads and the program's end are not for a lab"
    if library_symbol(plain) or library_symbol(re.sub(r"^(vtable|typeinfo|VTT|typeinfo name) for ", "", shown)):
        return ""
    if re.match(r"(vtable|typeinfo|typeinfo name) for (ramoe::Error|__cxxabiv1)", shown):
        return ""
    return f"it uses `{shown[:120]}`, which the reference does not: write it yourself"


IOSTREAM_START = {"_ZNSt8ios_base4InitC1Ev", "_ZNSt8ios_base4InitD1Ev", "__dso_handle", "__cxa_atexit",
                  "_GLOBAL_OFFSET_TABLE_"}


ERRORS = {"ramoe::cat", "ramoe::fail", "ramoe::check"}  # templates of support/error.h


def overload_offences(new: dict[str, str], reference: Symbols, header: str) -> list[str]:
    """Of a header, which is compiled together with the tests: a function that the tests call must not get a
    better match. Overloads of what the header itself names are the student's to add."""
    all_names = demangled(sorted(set(reference.defined) | reference.undefined))
    known = {plain_name(shown) for shown in all_names.values()}
    words = set(re.findall(r"\w+", header))
    return [f"it defines another `{plain_name(shown)}`, which the tests call"
            for name, shown in new.items()
            if not OF_LIBRARY.match(name) and plain_name(shown) in known and plain_name(shown).split("::")[-1] not in words
            and plain_name(shown) not in ERRORS and not library_symbol(plain_name(shown))]


def object_offences(path: str, student: Symbols, reference: Symbols, taken: set[str],
                    header: str = "") -> list[str]:
    """Sentences about a student's object beside the reference's. `taken`: what the library defines, and
    what the tests define and call. `header`: the reference's text if the lab is one."""
    new_definitions = sorted(set(student.defined) - set(reference.defined))
    new_calls = sorted(student.undefined - reference.undefined - set(reference.defined))
    shown = demangled(new_definitions + new_calls)
    offences = []
    for name in new_definitions:
        offences.append(definition_offence(name, shown[name], student.defined[name], taken))
    if header:
        offences += overload_offences({name: shown[name] for name in new_definitions}, reference, header)
    # Weak in the reference's object and strong here: it would win over the tests' own.
    for name, kind in student.defined.items():
        if reference.defined.get(name, kind) in "WVu" and kind not in "WVu":
            offences.append(f"it defines `{name}` again, which is the library's")
    offences += [call_offence(name, shown[name]) for name in new_calls]
    if student.odd_sections - reference.odd_sections:
        offences.append("it holds code that runs before main()")
    if student.starts and student.started - reference.started - IOSTREAM_START:
        names = demangled(sorted(student.started - reference.started - IOSTREAM_START))
        offences.append(f"it runs code before main() (`{plain_name(next(iter(names.values())))}`): "
                        "no global object may have a constructor")
    return [f"{path}: {said}" for said in dict.fromkeys(offences) if said]
