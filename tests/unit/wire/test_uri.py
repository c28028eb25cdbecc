"""URIs in normal form, and templates matched backwards."""

from bisect import bisect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.wire.uri import MAX_TEMPLATE, MAX_URI, Template, is_normal

NORMAL = [
    "file:///srv/docs/a.txt",
    "file:///C:/docs/a%20b.txt",
    "file:/srv/a",
    "urn:isbn:0451450523",
    "mailto:a@b.example",
    "memory://knowledge-graph",
    "demo://resource/dynamic/text/1",
    "demo://resource/static/document/features.md",
    "http://example.com/",
    "http://example.com:8080/a//b",
    "https://[2001:db8::1]:8443/",
    "x+y-z.1://h/?q=a/b&c=%26#frag",
    "x://h/100%25",
    "x://h/%E2%82%AC",
    "x://h/a..b/...",
    "x://h/~user/-_.ok",
    "http://h!a/",
    "http://h-a.b_c~d/!$&'()*+,;=:@",
    "x://h:8/",
    "x://h:12345/",
    "x://[:]/",
    "x://h/%25G0",
    "x://h/%250",
]


@pytest.mark.parametrize("uri", NORMAL)
def test_a_uri_in_normal_form_is_accepted(uri: str) -> None:
    assert is_normal(uri)


NOT_NORMAL = [
    ("", "nothing"),
    ("/srv/a", "no scheme"),
    ("://h/", "no scheme"),
    ("1x://h/", "a scheme starts with a letter"),
    ("FILE:///a", "upper-case scheme"),
    ("x://Host/", "upper-case host"),
    ("x://h/./a", "dot segment"),
    ("x://h/a/..", "dot segment"),
    ("x://h/../a", "dot segment"),
    ("x://h/..;v=1/a", "dot segment with a parameter"),
    ("x://h/?path=..", "dot segment in a query"),
    ("x://h/?path=../../etc", "dot segment in a query"),
    ("x://h/#../a", "dot segment in a fragment"),
    ("urn:a/../b", "dot segment without an authority"),
    ("x:..", "dot segment without a slash"),
    ("x://h/%2e%2e/a", "encoded dots"),
    ("x://h/%2E%2E/a", "encoded dots"),
    ("x://h/a%2Fb", "encoded slash"),
    ("x://h/a%2fb", "lower-case encoding"),
    ("x://h/%e2%82%ac", "lower-case encoding"),
    ("x://h/a%5Cb", "encoded backslash"),
    ("x://h/%00", "encoded NUL"),
    ("x://h/%0A", "encoded line end"),
    ("x://h/%7F", "encoded control character"),
    ("x://h/%41", "encoded letter"),
    ("x://h/%7E", "encoded tilde"),
    ("x://h/%252e%252e", "encoded twice"),
    ("x://h/%252F", "encoded twice"),
    ("x://h/%C0%AF", "overlong UTF-8"),
    ("x://h/%ED%A0%80", "encoded surrogate"),
    ("x://h/%FF", "not UTF-8"),
    ("x://h/%", "bare percent"),
    ("x://h/%4", "half an encoding"),
    ("x://h/%G0", "not hexadecimal"),
    ("x://h/a b", "space"),
    ("x://h/a\x00", "NUL"),
    ("x://h/a\n", "line end"),
    ("x://h/a\\b", "backslash"),
    ("x://h/<a>", "angle brackets"),
    ("x://h/{a}", "braces"),
    ("x://h/é", "raw text beyond ASCII"),
    ("x://h/\u2025/a", "a look-alike of two dots"),
    ("x://user@h/", "user-info"),
    ("x://user:pw@h/", "user-info"),
    ("http://good.example@evil.example/", "user-info"),
    ("x://h:/", "empty port"),
    ("x://h:080/", "leading zero"),
    ("x://h:99999999/", "no port"),
    ("x://h:8a/", "no port"),
    ("http://h:80/", "default port"),
    ("https://h:443/", "default port"),
    ("http://h", "no path"),
    ("http:///a", "no host"),
    ("http:a", "no authority"),
    ("x://:80/", "port without a host"),
    ("file:////etc/passwd", "an empty first segment"),
    ("file://localhost/a", "a host that means none"),
    ("x://h%2Eevil/", "encoding in the host"),
    ("x://[::1/", "open bracket"),
    ("x://[::1]a/", "text behind the bracket"),
    ("x://[::1%25eth0]/", "zone"),
    ("x://[FE80::1]/", "upper-case address"),
    ("x://h/[a]", "bracket in the path"),
    ("urn:[a]", "bracket in the path"),
    ("urn:[a", "open bracket in the path"),
    ("urn:a]", "closing bracket in the path"),
    ("x://h/[a", "open bracket in the path"),
    ("x://h/a]", "closing bracket in the path"),
    ("x!y://h/", "an exclamation mark in the scheme"),
    ("x://h/%!1", "not hexadecimal"),
    ("x://h/%1!", "not hexadecimal"),
    ("x://h/a%2541b", "encoded twice"),
    ("x://h/%2541%25G0", "encoded twice"),
    ("x://h:123456/", "no port"),
    ("x://[g::1]/", "no address"),
    ("x://[::g]/", "no address"),
    ("x://[:!:]/", "no address"),
    ("x://[]/", "no address"),
    ("x://[::1]a/", "text behind the bracket"),
    ("x://h/%F0%9F%98", "half a character"),
    ("x://h/" + "a" * MAX_URI, "too long"),
]


@pytest.mark.guarantee("uri:only-normal-form")
@pytest.mark.parametrize(("uri", "why"), NOT_NORMAL)
def test_a_uri_not_in_normal_form_is_refused(uri: str, why: str) -> None:
    assert not is_normal(uri), why


# The variables of RFC 6570 section 3.2 are var=value, hello="Hello World!", path=/foo/bar,
# list=(red,green,blue), keys=(semi=; dot=. comma=,), x=1024, y=768, empty="".
# Each row: a template behind `x://h/`, and an expansion that section gives it.
EXPANSIONS = [
    # level 1
    ("{var}", "value"),
    ("{hello}", "Hello%20World%21"),
    # level 2
    ("{+var}", "value"),
    ("{+hello}", "Hello%20World!"),
    ("{+path}/here", "/foo/bar/here"),
    ("here?ref={+path}", "here?ref=/foo/bar"),
    ("X{#var}", "X#value"),
    ("X{#hello}", "X#Hello%20World!"),
    # level 3
    ("map?{x,y}", "map?1024,768"),
    ("{x,hello,y}", "1024,Hello%20World%21,768"),
    ("{+x,hello,y}", "1024,Hello%20World!,768"),
    ("{+path,x}/here", "/foo/bar,1024/here"),
    ("{#x,hello,y}", "#1024,Hello%20World!,768"),
    ("{#path,x}/here", "#/foo/bar,1024/here"),
    ("X{.var}", "X.value"),
    ("X{.x,y}", "X.1024.768"),
    ("a{/var}", "a/value"),
    ("a{/var,x}/here", "a/value/1024/here"),
    ("{;x,y}", ";x=1024;y=768"),
    ("{;x,y,empty}", ";x=1024;y=768;empty"),
    ("{?x,y}", "?x=1024&y=768"),
    ("{?x,y,empty}", "?x=1024&y=768&empty="),
    ("?fixed=yes{&x}", "?fixed=yes&x=1024"),
    ("a{&x,y,empty}", "a&x=1024&y=768&empty="),
    # level 4
    ("{var:3}", "val"),
    ("{var:30}", "value"),
    ("{list}", "red,green,blue"),
    ("{list*}", "red,green,blue"),
    ("{keys*}", "semi=%3B,comma=%2C"),
    ("{+path:6}/here", "/foo/b/here"),
    ("{+list}", "red,green,blue"),
    ("{#path:6}/here", "#/foo/b/here"),
    ("{#list*}", "#red,green,blue"),
    ("X{.var:3}", "X.val"),
    ("X{.list}", "X.red,green,blue"),
    ("X{.list*}", "X.red.green.blue"),
    ("a{/var:1,var}", "a/v/value"),
    ("a{/list}", "a/red,green,blue"),
    ("a{/list*}", "a/red/green/blue"),
    ("a{/list*,path:4}", "a/red/green/blue/%2Dfoo".replace("%2D", "-")),
    ("{;hello:5}", ";hello=Hello"),
    ("{;list}", ";list=red,green,blue"),
    ("{;list*}", ";list=red;list=green;list=blue".replace("list=", "")),
    ("{?var:3}", "?var=val"),
    ("{?list}", "?list=red,green,blue"),
    ("{?list*}", "?list=red&list=green&list=blue"),
    ("{?keys*}", "?semi=%3B&comma=%2C"),
    ("a{&list*}", "a&list=red&list=green&list=blue"),
    # undefined variables leave no trace
    ("a{?x,y}", "a?y=768"),
    ("a{?x,y}", "a"),
    ("a{/x,y}", "a/1024"),
    ("a{#x}", "a"),
    ("{x,y}", "1024"),
    # text
    ("caf\u00e9/{x}", "caf%C3%A9/1"),
    ("%41b".replace("%41", "A") + "/{x}", "Ab/1"),
    ("{x.y}", "1"),
    ("{x}", "a..b"),
    ("{x}", "..."),
    ("{x:2}", "%E2%82%AC%E2%82%AC"),
    ("{x:1}", "%F0%9F%98%80"),
    ("{x:1}", "%C3%A9"),
    ("{x:1}", "%20"),
    ("{x:255}", "a"),
    ("{x:2}", ".a"),
    ("{x:3}", "..a"),
    ("{x:3}", "..."),
    ("{+x:1}", "a"),
    ("{+x:3}", "a/b"),
    ("{+x:3}", "a!b"),
    # separators, where a value cannot be taken for them
    ("{x:1,y:1}", "1,2"),
    ("{+x:1,y:1}", "1,2"),
    ("a{#x:1,y:1}", "a#1,2"),
    ("a{.x:1,y:1}", "a.1.2"),
    ("{" + ",".join("abcdefghijklmnop") + "}", "1"),
    ("a!b/{x}", "a!b/1"),
]


@pytest.mark.parametrize(("template", "uri"), EXPANSIONS)
def test_a_template_matches_its_expansions(template: str, uri: str) -> None:
    # Behind a slash, a value that begins with one would make an empty segment.
    assert Template.parse("x://h/-" + template).matches("x://h/-" + uri)


HELD: list[tuple[str, str, dict[str, set[str]]]] = [
    ("{+url}", "http://a.example/b", {"url": {"http://a.example/b"}}),
    ("{x}", "a%3Ab%20%C3%A9", {"x": {"a:b é"}}),
    ("{a}/{+b}", "c/d/e", {"a": {"c"}, "b": {"d/e"}}),
    ("{x,y}", "1024", {"x": {"1024"}}),
    ("{list}", "red,green", {"list": {"red,green", "red", "green"}}),
    ("{list*}", "red,green", {"list": {"red,green", "red", "green"}}),
    ("a{/list*}", "a/red/b", {"list": {"red/b", "red", "b"}}),
    ("a{.list*}", "a.red.b", {"list": {"red.b", "red", "b"}}),
    ("{?keys*}", "?b=1&c=2", {"keys": {"b=1&c=2", "b=1", "c=2", "1", "2"}}),
    ("a{?x,y}", "a?y=768", {"y": {"768"}}),
    ("{;x}", ";x=1", {"x": {"1"}}),
    ("a{#x}", "a", {}),
    ("{a:1,a}", "1,2", {"a": {"1", "2"}}),
    ("{+a}/{+b}", "1/2/3", {"a": {"1", "1/2"}, "b": {"3", "2/3"}}),
    ("{+a}{?b}", "1?b=2", {"a": {"1", "1?b=2"}, "b": {"2"}}),
    ("{a}", "b/c", {}),
    ("{a,b}", "1,2,3", {"a": {"1,2,3", "1", "2", "3"}, "b": {"2,3", "2", "3"}}),
]


@pytest.mark.parametrize(("template", "uri", "held"), HELD)
def test_what_the_variables_of_a_uri_hold_is_told(
    template: str, uri: str, held: dict[str, set[str]]
) -> None:
    found: dict[str, set[str]] = {}
    for name, texts in Template.parse("x://h/" + template).values("x://h/" + uri):
        found.setdefault(name, set()).update(texts)
    assert found == held


OTHERS = [
    # whole templates and URIs that are none of their expansions
    ("x://h/{a}", "x://h/a/b"),
    ("x://h/{a}", "x://h/"),
    ("x://h/{a}", "x://h/a?b"),
    ("x://h/{a}", "x://h/a#b"),
    ("x://h/{a}", "x://h/.."),
    ("x://h/{a}", "x://h/."),
    ("x://h/{a}", "x://h/a%2Fb"),
    ("x://h/{a}", "x://h/%2E%2E"),
    ("x://h/{a}", "x://h/..%2F"),
    ("x://h/{a}", "x://h/a%00"),
    ("x://h/{a}", "x://h/a\n"),
    ("x://h/{a}", "x://evil/a"),
    ("x://h/{a}", "y://h/a"),
    ("x://h/{a}", "x://u@h/a"),
    ("x://h/{a}", "x://h:1/a"),
    ("x://h/{a}/b", "x://h//b"),
    ("x://h/{a}-{b}", "x://h/..-b"),
    ("x://h/v{a:1}", "x://h/v.."),
    ("x://h/{a:3}", "x://h/abcd"),
    ("x://h/{a:2}", "x://h/.."),
    ("x://h/{a:1}", "x://h/."),
    ("x://h/{a:1}", "x://h/%E2%82%AC%E2%82%AC"),
    ("x://h/{+a}", "x://h/a/../b"),
    ("x://h/{+a}", "x://h/../b"),
    ("x://h/{+a}", "x://h/a/.."),
    ("x://h/{+a}", "x://evil/a"),
    ("x://h{+a}", "x://h.evil/a"),
    ("x://h{+a}", "x://h:80/a"),
    ("x://h{+a}", "x://h@evil/a"),
    ("x://{+a}", "x://evil/a"),
    ("x:/{+a}", "x://evil/a"),
    ("x:{+a}", "x://evil/a"),
    ("file://{+path}", "file://evil/etc"),
    ("{+url}", "x://h/a"),
    ("{scheme}://h/a", "x://h/a"),
    ("{+url}", "file:///etc/passwd"),
    ("x{+rest}", "x://h/a"),
    ("x://{host}/a", "x://evil:80/a"),
    ("x://{host}/a", "x://u@evil/a"),
    ("x://{host}/a", "x://evil/b/a"),
    ("x://h{/a,b}", "x://h/1/2/3"),
    ("x://h{?a,b}", "x://h?b=1&a=2"),
    ("x://h{?a,b}", "x://h?a=1&c=2"),
    ("x://h{?a,b}", "x://h?a=1&a=2"),
    ("x://h{?a}", "x://h?A=1"),
    ("x://h{?a}", "x://h?a"),
    ("x://h{?a}", "x://h?a=.."),
    ("x://h/a{#f}", "x://h/a#../b"),
    ("x://h{;a}", "x://h;a=b/c"),
    ("x://h/a{.x}", "x://h/a."),
    ("x://h/{a}", "X://h/a"),
    ("X://h/{a}", "X://h/a"),
    ("x://H/{a}", "x://H/a"),
    ("", "x://h/"),
    ("x://h/a.b", "x://h/aXb"),
    ("x://h/(a)+", "x://h/aa"),
    ("x://h/{a:2}", "x://h/ab,cd"),
    ("x://h/{+a:3}", "x://h/a/bc"),
    ("file:///docs/{+path}", "file:///docs//etc/passwd"),
    ("file:///docs/{+path}", "file:///docs/a//etc/passwd"),
    ("file:///docs/{+path}", "file:///docs/x:/a//b"),
    ("file:///docs/{+path}", "file:///docs/a//"),
    ("file:///docs/{+path}", "file:///docs//"),
    ("file:///docs{+path}", "file:///docs//etc"),
    ("file:///{+path}/here", "file:///a//here"),
    ("x://h/{a}{+b}", "x://h//b"),
    ("x://h/a?u={+a}", "x://h/a?u=//evil"),
    ("x://h/a{#f}", "x://h/a#//b"),
    ("x://h/{+a}", "x://h/http:///b"),
    ("x:{+a}", "x:a//b"),
    ("x://h/{a:1,b:1}", "x://h/12"),
    ("x://h/{a:1}", "x://h/%F0%9F%98%80%F0%9F%98%80"),
]


@pytest.mark.guarantee("uri:no-empty-segment", "uri:template-matches-only-its-own")
@pytest.mark.parametrize(("template", "uri"), OTHERS)
def test_a_template_matches_nothing_else(template: str, uri: str) -> None:
    assert not Template.parse(template).matches(uri)


KEPT_AUTHORITY = [
    ("file://{+path}", "file:///etc/motd"),
    ("file:///{+path}", "file:///etc/motd"),
    ("x://h{+rest}", "x://h/a/b?c#d"),
    ("x://{name}", "x://alice"),
    ("x://{name}/profile", "x://alice/profile"),
    ("x://www{.domain*}/", "x://www.example.com/"),
    ("x://h:{port}/", "x://h:8080/"),
    ("x:{a}", "x:b"),
    ("urn:x:{+rest}", "urn:x:a/b"),
    ("x:///{a}", "x:///b"),
    ("x://h!/{a}", "x://h!/b"),
    ("x://h?{a}", "x://h?b"),
    ("x://h/{+a}", "x://h/http://b/c"),
    ("x://h/a//b/{+a}", "x://h/a//b/c/d"),
    ("x://h/a//{+a}", "x://h/a//b/c"),
    ("x://h/{+a}/b//c", "x://h/a/b//c"),
    ("x://h/a//b{+a}{?b}", "x://h/a//b/c"),
    ("x://h/{/a*}", "x://h//b/c"),
    ("x://h/{+a}", "x://h/b/"),
]


@pytest.mark.parametrize(("template", "uri"), KEPT_AUTHORITY)
def test_a_match_has_the_templates_scheme_and_authority(template: str, uri: str) -> None:
    assert Template.parse(template).matches(uri)


MALFORMED = [
    "x://h/{a",
    "x://h/a}",
    "x://h/{}",
    "x://h/{a,}",
    "x://h/{=a}",
    "x://h/{|a}",
    "x://h/{a b}",
    "x://h/{a!}",
    "x://h/{a,.b}",
    "x://h/{a.}",
    "x://h/a\x7f",
    "x://h/%4!",
    "x://h/%!4",
    "x://h/{a..b}",
    "x://h/{.}",
    "x://h/{a:}",
    "x://h/{a:0}",
    "x://h/{a:01}",
    "x://h/{a:x}",
    "x://h/{a:10000}",
    "x://h/{a:256}",
    "x://h/{a:3*}",
    "x://h/{%4}",
    "x://h/{{a}}",
    "x://h/a b",
    "x://h/<a>",
    "x://h/%4",
    "x://h/\x00",
    "x://h/{" + ",".join("abcdefghijklmnopq") + "}",
    "x://h/" + "{a}" * 17,
    "x://h/" + "{a:255}" * 16,
    "x://h/" + "a" * 3000,
]


@pytest.mark.parametrize("text", MALFORMED)
def test_what_is_no_template_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"[a-z]"):
        Template.parse(text)


def test_a_template_too_large_to_compile_says_nothing_on_stderr(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ValueError, match="too large"):
        Template.parse("x://h/" + "{a:255}" * 16)
    assert capfd.readouterr() == ("", "")


def is_template(text: str) -> bool:
    try:
        Template.parse(text)
    except ValueError:
        return False
    return True


@pytest.mark.guarantee("uri:no-empty-segment")
def test_a_template_too_large_to_tell_its_variables_apart_matches_no_two_slashes() -> None:
    begun = "x://h/" + "{a:255}" * 4 + "{b:57}//"
    room = range(1, MAX_TEMPLATE - len(begun))
    rest = "b" * bisect(room, False, key=lambda more: not is_template(begun + "b" * more))
    assert is_template(begun + rest)
    assert not is_template(begun + rest + "b")
    uri = "x://h/12345//" + rest
    assert Template.parse("x://h/{a}{b}//" + rest).matches(uri)
    assert not Template.parse(begun + rest).matches(uri)
    with pytest.raises(ValueError, match="too large"):
        [*Template.parse(begun + rest).values(uri)]


VARIABLES: list[tuple[str, set[str]]] = [
    ("x://h/a", set()),
    ("x://h/{a}{/b,c*}{?d:3}{a}", {"a", "b", "c", "d"}),
    ("{+whole}", {"whole"}),
    ("x://h/{#%41.b}", {"%41.b"}),
]


@pytest.mark.parametrize(("text", "names"), VARIABLES)
def test_a_template_names_its_variables(text: str, names: set[str]) -> None:
    assert Template.parse(text).variables == names


@given(st.text(max_size=40))
def test_any_text_is_normal_or_not_and_a_template_or_an_error(text: str) -> None:
    is_normal(text)
    try:
        template = Template.parse(text)
    except ValueError:
        return
    template.matches(text)


@given(st.text("abc.%2EF/\\@:?#é", max_size=20))
def test_a_matched_value_never_leaves_the_templates_folder(value: str) -> None:
    uri = "file:///srv/docs/" + value
    if Template.parse("file:///srv/docs/{+path}").matches(uri):
        path = uri.partition("?")[0].partition("#")[0]
        assert not {".", ".."} & set(path.split("/"))
        assert "%2E" not in uri
        assert "%2F" not in uri


def test_a_hostile_uri_is_matched_in_linear_time() -> None:
    template = Template.parse("x://h/{+a}{+b}{+c}{+d}/end")
    assert not template.matches("x://h/" + "a/" * 4000)


@pytest.mark.parametrize(
    ("scheme", "port"), [("http", 80), ("https", 443), ("ws", 80), ("wss", 443), ("ftp", 21)]
)
def test_a_default_port_is_left_out_and_a_path_is_not(scheme: str, port: int) -> None:
    assert is_normal(f"{scheme}://h/")
    assert is_normal(f"{scheme}://h:{port + 1}/")
    assert not is_normal(f"{scheme}://h:{port}/")
    assert not is_normal(f"{scheme}://h")
    assert not is_normal(f"{scheme}:///a")


@pytest.mark.parametrize(
    "text", ["x://h/%zz", "x://h/%4", "x://h/%", "x://h/%4z/{a}", "x://h/{%z}"]
)
def test_a_template_holds_no_bare_percent_sign(text: str) -> None:
    with pytest.raises(ValueError, match="percent sign"):
        Template.parse(text)


def test_a_template_may_hold_percent_encoding_and_knows_its_text() -> None:
    template = Template.parse("x://h/%C3%A9/{a}")
    assert template.text == "x://h/%C3%A9/{a}"
    assert template.matches("x://h/%C3%A9/1")


@pytest.mark.parametrize("rest", ["a]b", "a[b", "]", "["])
def test_a_bracket_stands_in_an_authority_alone(rest: str) -> None:
    assert not is_normal(f"x://h/{rest}")


@pytest.mark.parametrize(
    ("template", "given"),
    [
        ("x://h/{a*}", "x://h/1,2"),
        ("x://h/{+a*}", "x://h/1,2"),
        ("x://h{.a*}", "x://h.1.2"),
        ("x://h{/a*}", "x://h/1/2"),
        ("x://h/{;a*}", "x://h/;a=1;a=2"),
        ("x://h/{?a*}", "x://h/?a=1&a=2"),
        ("x://h/?z=1{&a*}", "x://h/?z=1&a=1&a=2"),
        ("x://h/{#a*}", "x://h/#1,2"),
    ],
)
def test_a_list_is_written_with_the_separator_of_its_operator(template: str, given: str) -> None:
    assert Template.parse(template).matches(given)
    assert not Template.parse(template).matches(given.replace("1", "1X|"))


@pytest.mark.parametrize(
    ("template", "given"),
    [
        ("x://h/{a}", "x://h/v!"),
        ("x://h/{a}", "x://h/!"),
        ("x://h/{a}", "x://h/.!"),
        ("x://h/{a:3}", "x://h/v!"),
        ("x://h/{a:3}", "x://h/!"),
        ("x://h/{a,b}", "x://h/1!,2"),
        ("x://h/{?a}", "x://h/?a=!"),
    ],
)
def test_a_reserved_character_is_no_part_of_a_plain_value(template: str, given: str) -> None:
    assert not Template.parse(template).matches(given)
    assert Template.parse(template).matches(given.replace("!", "v"))
