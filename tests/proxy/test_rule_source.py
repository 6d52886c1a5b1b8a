"""Where rules come from, and what is said when nothing usable comes."""

from __future__ import annotations

import os
import sys

import pytest

from proxy import rule_source
from proxy.rule_source import SourceError, from_entry_point, from_file, from_module, installed
from tests.support.own_rule_files import GOOD


def refused(load, *arguments):
    with pytest.raises(SourceError) as caught:
        load(*arguments)
    text = str(caught.value)
    assert text.isprintable()
    return text


@pytest.fixture
def write(tmp_path):
    def write(text, name="rules.py", mode=0o644):
        path = tmp_path / name
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


class TestFiles:
    def test_its_rules_come_anew_each_time(self, write):
        """Also within a second, which is where a cache by the time of the file would be wrong."""
        path = write(GOOD)
        (first,) = from_file(path)
        write(GOOD.replace("shouts", "yells!"))
        (second,) = from_file(path)
        assert (first.name, second.name) == ("acme-subject", "acme-subject")
        assert type(first) is not type(second)
        assert not (path.parent / "__pycache__").exists()

    def test_code_that_looks_its_module_up_works(self, write):
        path = write(
            "from __future__ import annotations\nfrom dataclasses import dataclass\n"
            "@dataclass(frozen=True)\nclass A:\n    x: int = 3\nRULES = (A(),)\n"
        )
        assert from_file(path)[0].x == 3

    def test_encodings_are_read_as_python_does(self, tmp_path):
        path = tmp_path / "latin.py"
        path.write_bytes("# -*- coding: latin-1 -*-\nRULES = ('ü',)\n".encode("latin-1"))
        assert from_file(path) == ("ü",)

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("x = 1\n", "has no RULES: end it with `RULES = (YourRule(),)`"),
            ("x = 1\n\ny z\n", "rules.py:3: SyntaxError: invalid syntax"),
            ("x = 1\n  y = 2\n", "rules.py:2: IndentationError: unexpected indent"),
            ("\n\nx = nobody\n", "rules.py:3: NameError: name 'nobody' is not defined"),
            ("import no_such_module_at_all\n", "rules.py:1: ModuleNotFoundError: No module named 'no_such_module_at"),
            ("import sys\nsys.exit('gone')\n", "rules.py:2: SystemExit: gone"),
            ("def f():\n    return f()\nf()\n", "rules.py:2: RecursionError: maximum recursion"),
            ("raise ValueError('two\\nlines \\x1b[31m')\n", "rules.py:1: ValueError: two lines \\x1b[31m"),
            ("raise ValueError('x' * 9999)\n", "x..."),
            ("class E(Exception):\n    def __str__(self): raise E()\nraise E\n", "rules.py:3: E: ?"),
            ("import json\njson.loads('{')\n", "rules.py:2: JSONDecodeError: "),
            ("x = 1\0\n", "ource code string cannot contain null bytes"),
        ],
    )
    def test_what_is_wrong_in_it_is_told_in_one_line(self, write, text, told):
        path = write(text)
        before = set(sys.modules)
        assert told in refused(from_file, path)
        assert not [name for name in set(sys.modules) - before if "sipmend_rules" in name] or "RULES" in told

    def test_not_utf8(self, tmp_path):
        path = tmp_path / "rules.py"
        path.write_bytes(b"RULES = '\xff'\n")
        assert "SyntaxError" in refused(from_file, path) or "codec" in refused(from_file, path)

    def test_what_is_no_file(self, tmp_path):
        assert "none.py cannot be read: No such file" in refused(from_file, tmp_path / "none.py")
        assert "is not a regular file" in refused(from_file, tmp_path)
        os.mkfifo(tmp_path / "pipe.py")
        assert "is not a regular file" in refused(from_file, tmp_path / "pipe.py")

    def test_too_large(self, write):
        assert "is larger than 1048576 bytes" in refused(from_file, write("#" * 1_048_577))

    @pytest.mark.parametrize("mode", [0o666, 0o646, 0o777])
    def test_what_everybody_can_write_is_not_run(self, write, mode):
        path = write("raise SystemError('it was run')", mode=mode)
        text = refused(from_file, path)
        assert f"has mode {mode:04o}, so everybody can change what sipmend runs: chmod o-w {path}" in text

    def test_nor_what_lies_where_everybody_can_write(self, write, tmp_path):
        path = write(GOOD)
        tmp_path.chmod(0o777)
        assert f"chmod o-w {tmp_path}" in refused(from_file, path)
        tmp_path.chmod(0o1777)  # nobody can take the file of another away there
        assert from_file(path)

    def test_root_runs_files_of_root_only(self, write, monkeypatch):
        path = write(GOOD)
        monkeypatch.setattr(rule_source.os, "geteuid", lambda: 0)
        status = list(os.stat(path))
        status[4] = 4711
        monkeypatch.setattr(rule_source.os, "fstat", lambda _: os.stat_result(status))
        assert "belongs to the user 4711, who could change what sipmend runs as root" in refused(from_file, path)
        status[4] = 0
        assert from_file(path)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder from which Python imports; what comes from it is forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


class TestModules:
    def test_a_class_an_instance_or_several(self, package):
        (package / "acme_a.py").write_text(GOOD)
        assert from_module("acme_a:QuietSubject").name == "acme-subject"
        assert from_module("acme_a:RULES")[0].name == "acme-subject"
        assert from_module("acme_a:QuietSubject.name") == "acme-subject"

    def test_what_is_not_there(self, package):
        (package / "acme_b.py").write_text(GOOD)
        (package / "acme_c.py").write_text("import no_such_module_at_all\n")
        assert f"there is no module acme_zzz for {sys.executable}" in refused(from_module, "acme_zzz:Rule")
        assert "there is no module acme_zzz for" in refused(from_module, "acme_zzz.inner:Rule")
        assert "there is no module acme_b.inner for" in refused(from_module, "acme_b.inner:Rule")
        assert "acme_b has no Quietsubject, did you mean QuietSubject" in refused(from_module, "acme_b:Quietsubject")
        text = refused(from_module, "acme_c:Rule")
        assert text.startswith("acme_c cannot be imported: ")
        assert "acme_c.py:1: ModuleNotFoundError: No module named 'no_such_module_at_all'" in text

    @pytest.mark.parametrize("code", ["raise SystemExit(3)", "1 / 0", "x = ("])
    def test_what_cannot_be_imported(self, package, code):
        (package / "acme_d.py").write_text(code + "\n")
        assert "acme_d.py:1: " in refused(from_module, "acme_d:Rule")


def distribution(folder, name, text):
    """What pip leaves of an installed distribution, as far as it concerns us."""
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(text)


class TestEntryPoints:
    def test_one_is_found_by_its_name(self, package):
        (package / "acme_e.py").write_text(GOOD)
        distribution(package, "acme_sip", "[sipmend.rules]\nacme-quiet = acme_e:QuietSubject\n")
        assert from_entry_point("acme-quiet").name == "acme-subject"

    def test_listing_them_imports_nothing(self, package):
        (package / "acme_f.py").write_text("raise SystemError('it was imported')")
        distribution(package, "acme_sip", "[sipmend.rules]\nb = acme_f:B\na = acme_f:A\n[console_scripts]\nc = x:y\n")
        assert [(point.name, point.value, point.dist.name) for point in installed()] == [
            ("a", "acme_f:A", "acme_sip"), ("b", "acme_f:B", "acme_sip"),
        ]  # fmt: skip
        assert "acme_f" not in sys.modules

    def test_what_is_not_there(self, package):
        assert "no entry point" not in refused(from_entry_point, "acme")
        assert "there are: none" in refused(from_entry_point, "acme")
        distribution(package, "acme_sip", "[sipmend.rules]\nacme-quiet = acme_g:Rule\nzz =\n")
        assert "did you mean acme-quiet?" in refused(from_entry_point, "acme-quite")
        assert "there is no module acme_g for" in refused(from_entry_point, "acme-quiet")

    def test_two_of_one_name_are_not_chosen_from(self, package):
        distribution(package, "acme_sip", "[sipmend.rules]\nquiet = acme_h:A\n")
        distribution(package, "other_sip", "[sipmend.rules]\nquiet = other:A\n")
        text = refused(from_entry_point, "quiet")
        assert "several distributions have an entry point quiet: acme_sip and other_sip" in text
