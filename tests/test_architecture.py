"""The layering of docs/architecture.md and the size budget, enforced on the syntax trees of the sources."""

from __future__ import annotations

import textwrap

import architecture
import pytest
from architecture import Source

# What each layer may import of ours, besides itself. One direction: no line may point to a line above it.
LAYERS = {
    "proxy.__main__": ["proxy.cli"],
    "proxy.cli": ["*"],
    "proxy.dry_commands": ["*"],
    "proxy.demo": ["*"],
    "proxy.service": ["*"],
    "proxy.explain_setting": [
        "proxy.explain", "proxy.assembly", "proxy.ruling", "proxy.config", "proxy.repair", "proxy.flow",
    ],
    "proxy.sockets": [
        "proxy.reflexive", "proxy.open_files", "proxy.config", "proxy.core", "proxy.transport", "proxy.effects",
        "proxy.flow",
    ],
    "proxy.ruling": [
        "proxy.declared", "proxy.config", "proxy.core", "proxy.repair", "proxy.sip", "proxy.counts", "proxy.flow",
        "proxy.pattern", "plugins",
    ],
    "proxy.declared": ["proxy.own_rules", "proxy.config", "proxy.repair", "proxy.pattern"],
    "proxy.own_rules": ["proxy.rule_source", "proxy.config", "proxy.repair", "plugins"],
    "proxy.rule_source": ["proxy.repair.watched"],
    "proxy.new_rule": ["proxy.repair.contract"],
    "proxy.assembly": [
        "proxy.config", "proxy.core.settings", "proxy.repair", "proxy.transaction.timers", "proxy.sip.registry",
        "proxy.certificate", "proxy.counts", "proxy.flow", "plugins",
    ],
    "proxy.driver": [
        "proxy.core", "proxy.transport", "proxy.store", "proxy.resolver", "proxy.inspector", "proxy.logs",
        "proxy.events", "proxy.effects", "proxy.counts", "proxy.flow", "proxy.binding",
    ],
    "proxy.doctor": [
        "proxy.explain", "proxy.capture", "proxy.config.shipped", "proxy.config.units", "proxy.repair", "proxy.sip",
        "proxy.pattern", "proxy.effects", "proxy.flow",
    ],
    "proxy.explain_text": ["proxy.roundtrip", "proxy.explain", "proxy.effects"],
    "proxy.roundtrip": [
        "proxy.explain", "proxy.core", "proxy.sip", "proxy.events", "proxy.effects", "proxy.counts", "proxy.flow",
    ],
    "proxy.capture": ["proxy.sip.framing", "proxy.sip.errors", "proxy.flow"],
    "proxy.explain": [
        "proxy.core", "proxy.repair", "proxy.sip",
        "proxy.events", "proxy.effects", "proxy.counts", "proxy.flow", "plugins",
    ],
    "proxy.gauges": ["proxy.core", "proxy.counts", "proxy.binding", "proxy.flow"],
    "proxy.inspector": ["proxy.effects", "proxy.flow"],
    "proxy.whereabouts": ["proxy.resolver", "proxy.core.locate", "proxy.effects", "proxy.flow"],
    "proxy.reflexive": [
        "proxy.resolver", "proxy.transport.asking", "proxy.transport.contract", "proxy.core.locate", "proxy.events",
        "proxy.effects", "proxy.flow",
    ],
    "proxy.randomness": ["proxy.core.tokens"],
    "proxy.admin": ["proxy.metrics", "proxy.effects", "proxy.flow", "proxy.binding"],
    "proxy.metrics": ["proxy.counts", "proxy.flow"],
    "proxy.logs": ["proxy.effects", "proxy.flow"],
    "proxy.memory": [],
    "proxy.resolver": ["proxy.core.locate", "proxy.flow"],
    "proxy.store": ["proxy.effects", "proxy.binding", "proxy.flow"],
    "proxy.transport": [
        "proxy.sip.framing", "proxy.sip.errors", "proxy.stun", "proxy.certificate",
        "proxy.events", "proxy.effects", "proxy.counts", "proxy.flow",
    ],
    "proxy.config": [
        "proxy.certificate", "proxy.stun", "proxy.open_files", "proxy.repair.rule", "proxy.repair.contract",
        "proxy.repair.header_rules", "proxy.flow", "proxy.pattern", "proxy.values",
    ],
    "proxy.open_files": ["proxy.effects"],
    "proxy.core": [
        "proxy.transaction", "proxy.repair", "proxy.sip",
        "proxy.events", "proxy.effects", "proxy.counts", "proxy.pattern", "proxy.binding", "proxy.flow",
    ],
    "plugins": ["proxy.repair.rule", "proxy.repair.reach", "proxy.sip", "proxy.flow"],
    "proxy.repair": [
        "proxy.sip", "proxy.effects", "proxy.counts", "proxy.pattern", "proxy.binding", "proxy.flow", "proxy.values",
    ],
    "proxy.transaction": ["proxy.sip", "proxy.effects", "proxy.counts", "proxy.flow"],
    "proxy.effects": ["proxy.binding", "proxy.flow"],
    "proxy.events": ["proxy.binding", "proxy.flow"],
    "proxy.binding": ["proxy.flow"],
    "proxy.certificate": [],
    "proxy.counts": [],
    "proxy.pattern": [],
    "proxy.values": [],
    "proxy.flow": [],
    "proxy.stun": [],
    "proxy.sip": [],
    "proxy": [],
}  # fmt: skip

# Modules that only the named ones may import.
GUARDED = {
    "proxy.__main__": [],
    "proxy.cli": ["proxy.__main__"],
    "proxy.service": ["proxy.__main__", "proxy.cli", "proxy.demo"],
    "proxy.config": [
        "proxy.ruling", "proxy.service", "proxy.sockets", "proxy.assembly", "proxy.cli", "proxy.dry_commands",
        "proxy.demo", "proxy.explain_setting", "proxy.declared", "proxy.own_rules", "proxy.doctor.remedy",
    ],
    "plugins": [
        "proxy.ruling", "proxy.service", "proxy.assembly", "proxy.cli", "proxy.dry_commands", "proxy.demo",
        "proxy.explain", "proxy.own_rules",
    ],
}

# More than 300 lines (never more than 500), and why.
LONG = {
    "proxy.repair.rule": "the contract of all rules, to be read in one place; most of it is what the words mean",
    "plugins.contact_unreachable": "one rule and one sample for each reason to replace a Contact; they share the edit",
    "proxy.cli": "one function for each command, read from top to bottom",
    "proxy.config.model": "data only: one model per section of the file, read from top to bottom",
}

# More than eight modules of ours, and why.
WIDE = {
    "proxy.service": "the composition root of the process: it makes every part and hands each its neighbours",
    "proxy.own_rules": "loads, judges, tries and watches a rule: each of these is a module of its own",
    "proxy.repair.watched": "takes everything apart that a rule may return, and tries its edits, before it counts",
    "proxy.repair.testing": "the whole of what the proxy does with a rule, for one message",
    "proxy.ruling": "turns the settings of rules and profiles into pipelines, and is used by the composition root only",
    "proxy.assembly": "turns the settings into the parts of the core, and is used by the composition root only",
    "proxy.sockets": "the composition root of the sockets: it makes every transport and what they share",
    "proxy.config.check": "ties settings of all sections together, which know nothing of each other",
    "proxy.config.network": "tries out what the settings ask of the machine: for each kind of it there is a module",
    "proxy.cli": "every command starts here: it joins the settings, the rules, the service and the demo",
    "proxy.dry_commands": "two commands start here: it joins files, dry runs and the writers of reports",
    "proxy.doctor.diagnosis": "judges a message by everything that a dry run, the rules and the survey say of it",
    "proxy.core.proxy_core": "the composition root of the core: it only calls the steps of a message's way",
    "proxy.core.branches": "where a request leaves: what is put on top of it, its transaction, its further attempts",
    "proxy.core.response_context": "ties a server transaction to its branches; who chooses and retries is elsewhere",
    "proxy.explain": "takes the steps of the core one by one, without sending anything",
    "proxy.core.via_defects": "what may be wrong with a Via, of a request and of its answer, in one place",
    "proxy.core.repeats": "knows a request again by all that may have changed about it: flow, branch, credentials",
    "proxy.core.route_sets": "puts lost route sets back where they were lost: requests, answers, ACKs",
    "proxy.core.node": "holds the parts of one node for the steps, and decides nothing",
    "proxy.core.acceptance": "everything a 2xx to REGISTER says, in one place; each part is a module of its own",
    "proxy.core.registration": "everything a REGISTER says, in one place; each part is a module of its own",
    "proxy.core.to_server": "one way of a message from end to end; each step it calls is a module of its own",
    "proxy.core.to_client": "one way of a message from end to end; each step it calls is a module of its own",
    "proxy.core.way_home": "one way of a message from end to end; each step it calls is a module of its own",
}

SOURCES = architecture.read_sources()
each_module = pytest.mark.parametrize("source", SOURCES.values(), ids=lambda source: source.name)


def test_both_packages_are_read():
    """The checks below would pass on nothing: the sources must be there."""
    assert {"proxy.flow", "proxy.sip", "plugins"} <= SOURCES.keys()


@each_module
def test_pure_zone_imports_no_framework_clock_or_socket(source):
    assert architecture.banned_imports(source) == []


@each_module
def test_imports_go_one_way_through_the_layers(source):
    assert architecture.layer_breaches(source, SOURCES, LAYERS) == []


@each_module
def test_guarded_modules_are_imported_by_few(source):
    """Configuration is read by the composition root only, and nothing imports `__main__`."""
    assert architecture.forbidden_importers(source, SOURCES, GUARDED) == []


def test_plugins_do_not_know_each_other():
    """A rule is one file; what two of them need belongs under proxy.repair.rule or proxy.sip."""
    complaints = [
        f"{source.name}:{line}: imports {target}"
        for source in SOURCES.values()
        if source.name.startswith("plugins.")
        for target, line in architecture.project_imports(source, SOURCES).items()
        if target.startswith("plugins")
    ]
    assert complaints == []


def test_no_import_cycles():
    assert architecture.import_cycles(SOURCES) == []


@each_module
def test_no_imports_inside_functions(source):
    assert architecture.imports_in_functions(source) == []


@each_module
def test_packages_hold_only_imports_and_constants(source):
    assert architecture.logic_in_packages(source) == []


@each_module
def test_reactor_is_imported_in_main_only(source):
    assert architecture.reactor_imports(source) == []


@each_module
def test_modules_are_short(source):
    assert architecture.long_modules(source, LONG) == []


@each_module
def test_functions_are_short(source):
    assert architecture.long_functions(source) == []


@each_module
def test_class_names_say_what_a_thing_is(source):
    assert architecture.vague_class_names(source) == []


@each_module
def test_nobody_assigns_to_events_or_effects(source):
    assert architecture.assignments_to_events(source) == []


@each_module
def test_modules_need_few_others(source):
    assert architecture.wide_modules(source, SOURCES, WIDE) == []


def test_exceptions_name_living_modules_and_give_a_reason():
    assert architecture.stale_exceptions(SOURCES, {"LONG": LONG, "WIDE": WIDE}) == []


# Each check is shown to fail where it must, and to stay silent where it must not.


def module(name: str, text: str = "", is_package: bool = False) -> Source:
    return Source.of(name, textwrap.dedent(text), is_package)


def tree(**texts: str) -> dict[str, Source]:
    """Sources by name; `__` stands for the dot: tree(a__b="import a.c")."""
    return {name.replace("__", "."): module(name.replace("__", "."), text) for name, text in texts.items()}


class TestBannedImports:
    @pytest.mark.parametrize(
        "statement",
        [
            "import time",
            "import os.path",
            "from twisted.internet import defer",
            "from socket import AF_INET",
            "import x, random",
        ],
    )
    @pytest.mark.parametrize("name", ["proxy.sip.uri", "proxy.core.deep.down", "proxy.events", "plugins.contact"])
    def test_are_found_in_the_pure_zone(self, name, statement):
        assert len(architecture.banned_imports(module(name, statement))) == 1

    def test_are_found_inside_functions_too(self):
        assert architecture.banned_imports(module("proxy.flow", "def f():\n    import logging\n"))

    def test_may_be_used_outside(self):
        assert architecture.banned_imports(module("proxy.driver", "import time")) == []

    def test_leave_names_that_only_begin_alike(self):
        assert (
            architecture.banned_imports(module("proxy.sip.x", "import timeit\nfrom proxy.sip import time_zone")) == []
        )


class TestLayers:
    MODULES = (
        "proxy",
        "proxy.sip",
        "proxy.sip.uri",
        "proxy.core",
        "proxy.core.x",
        "proxy.repair.rule",
        "proxy.repair.guard",
    )

    def breaches(self, name, text):
        return architecture.layer_breaches(module(name, text), self.MODULES, LAYERS)

    @pytest.mark.parametrize(
        ("name", "statement"),
        [
            ("proxy.sip.uri", "from proxy.core import x"),
            ("proxy.sip.uri", "import proxy.core.x"),
            ("proxy.repair.rule", "from proxy.core.x import Thing"),
            ("plugins.contact", "from proxy.repair.guard import check"),
            ("plugins.contact", "from proxy.repair import guard"),
        ],
    )
    def test_against_the_direction_is_found(self, name, statement):
        assert len(self.breaches(name, statement)) == 1

    def test_relative_imports_are_seen(self):
        assert self.breaches("proxy.sip.uri", "from ..core import x")

    @pytest.mark.parametrize(
        ("name", "statement"),
        [
            ("proxy.core.x", "from proxy.sip.uri import Uri"),
            ("proxy.core.x", "from proxy import sip"),
            ("plugins.contact", "from proxy.repair.rule import Rule\nfrom proxy.sip import uri"),
            ("proxy.sip.other", "from proxy.sip import uri"),
        ],
    )
    def test_along_the_direction_is_not(self, name, statement):
        assert self.breaches(name, statement) == []

    def test_a_module_without_a_layer_is_found(self):
        assert architecture.layer_breaches(module("other.place"), self.MODULES, LAYERS)
        assert architecture.layer_breaches(module("proxy.new_module"), self.MODULES, LAYERS)

    def test_table_itself_points_downwards_only(self):
        order = list(LAYERS)
        upward = [
            (layer, target)
            for layer, targets in LAYERS.items()
            for target in targets
            if target != "*" and order.index(architecture.layer_of(target, LAYERS)) < order.index(layer)
        ]
        assert upward == []


class TestGuardedModules:
    MODULES = ("proxy.__main__", "proxy.config", "proxy.config.load", "proxy.service")

    @pytest.mark.parametrize(
        ("name", "statement"),
        [
            ("proxy.driver", "from proxy.config import load"),
            ("proxy.core.x", "from proxy.config.load import read"),
            ("proxy.service", "from proxy.__main__ import main"),
            ("proxy.service", "import proxy.__main__"),
        ],
    )
    def test_imported_by_others_are_found(self, name, statement):
        assert len(architecture.forbidden_importers(module(name, statement), self.MODULES, GUARDED)) == 1

    def test_imported_by_the_composition_root_are_not(self):
        root = module("proxy.service", "from proxy.config import load")
        assert architecture.forbidden_importers(root, self.MODULES, GUARDED) == []


class TestCycles:
    def test_of_two_is_found(self):
        assert architecture.import_cycles(tree(a="import b", b="import a")) == ["a -> b -> a"]

    def test_of_three_is_found_once(self):
        found = architecture.import_cycles(tree(p__a="from p import b", p__b="import p.c", p__c="from p.a import x"))
        assert found == ["p.a -> p.b -> p.c -> p.a"]

    def test_of_type_checking_imports_is_found_too(self):
        assert architecture.import_cycles(tree(a="import b", b="if TYPE_CHECKING:\n    import a\n"))

    def test_shared_foundation_is_none(self):
        assert architecture.import_cycles(tree(a="import b, c", b="import d", c="import d", d="")) == []


class TestImportsInFunctions:
    def test_are_found(self):
        assert len(architecture.imports_in_functions(module("m", "async def f():\n    from a import b\n"))) == 1

    def test_in_methods_are_found(self):
        assert architecture.imports_in_functions(module("m", "class A:\n    def f(self):\n        import b\n"))

    def test_at_the_top_are_not(self):
        assert (
            architecture.imports_in_functions(module("m", "import a\ntry:\n    import b\nexcept ImportError: pass\n"))
            == []
        )


class TestPackages:
    @pytest.mark.parametrize(
        "text",
        [
            "def f(): ...",
            "class A: ...",
            "for a in (): pass",
            "ORDER = make()",
            "if x: y = 1",
            "N = [a for a in b]",
            "main()",
        ],
    )
    def test_with_logic_are_found(self, text):
        assert len(architecture.logic_in_packages(module("p", text, is_package=True))) == 1

    def test_with_imports_and_constants_are_not(self):
        text = '"""Doc."""\nfrom a import b\nORDER: tuple = (b, "c", b.d)\nN = 3\n'
        assert architecture.logic_in_packages(module("p", text, is_package=True)) == []

    def test_ordinary_modules_may_have_logic(self):
        assert architecture.logic_in_packages(module("p.m", "def f(): ...")) == []


class TestReactor:
    @pytest.mark.parametrize("statement", ["from twisted.internet import reactor", "import twisted.internet.reactor"])
    def test_elsewhere_is_found(self, statement):
        assert len(architecture.reactor_imports(module("proxy.driver", statement))) == 1
        assert architecture.reactor_imports(module("proxy.__main__", statement)) == []

    def test_other_parts_of_twisted_are_fine(self):
        assert architecture.reactor_imports(module("proxy.driver", "from twisted.internet import defer")) == []


class TestSizes:
    def test_module_over_the_wanted_size_needs_a_reason(self):
        source = module("m", "x = 1\n" * 301)
        assert architecture.long_modules(source, {})
        assert architecture.long_modules(source, {"m": "a table"}) == []
        assert architecture.long_modules(module("m", "x = 1\n" * 300), {}) == []

    def test_no_reason_excuses_more_than_the_most(self):
        assert architecture.long_modules(module("m", "x = 1\n" * 501), {"m": "a table"})

    @pytest.mark.parametrize("head", ["def f():\n", "async def f():\n"])
    def test_long_function_is_found(self, head):
        assert architecture.long_functions(module("m", head + "    x = 1\n" * 50))
        assert architecture.long_functions(module("m", head + "    x = 1\n" * 49)) == []

    def test_wide_module_is_found(self):
        modules = {f"p.m{n}" for n in range(9)}
        wide = module("p.x", "".join(f"from p import m{n}\n" for n in range(9)))
        assert architecture.wide_modules(wide, modules, {})
        assert architecture.wide_modules(wide, modules, {"p.x": "joins them"}) == []
        assert architecture.wide_modules(module("p.x", "import p.m1, p.m2"), modules, {}) == []

    def test_the_common_values_do_not_make_a_module_wide(self):
        modules = {f"p.m{n}" for n in range(8)} | {"proxy.flow"}
        source = module("p.x", "from proxy.flow import Flow\n" + "".join(f"import p.m{n}\n" for n in range(8)))
        assert architecture.wide_modules(source, modules, {}) == []

    def test_stale_or_unexplained_exception_is_found(self):
        sources = tree(a="")
        assert architecture.stale_exceptions(sources, {"T": {"gone": "was long"}})
        assert architecture.stale_exceptions(sources, {"T": {"a": " "}})
        assert architecture.stale_exceptions(sources, {"T": {"a": "a table"}}) == []


class TestClassNames:
    @pytest.mark.parametrize("name", ["FlowManager", "BaseRule", "SIPHandler", "StringUtils", "RuleInfo", "Engine"])
    def test_vague_ones_are_found(self, name):
        assert len(architecture.vague_class_names(module("m", f"class {name}: ..."))) == 1

    @pytest.mark.parametrize("name", ["Informant", "Database", "FlowTable", "INVITE"])
    def test_words_that_only_contain_them_are_not(self, name):
        assert architecture.vague_class_names(module("m", f"class {name}: ...")) == []


class TestAssignmentsToEvents:
    @pytest.mark.parametrize(
        "statement",
        [
            "event.now = 1",
            "event.now += 1",
            "event.now: float = 1",
            "a, (event.now, b) = c",
            "del effect.flow",
            "x = event.y = 1",
        ],
    )
    def test_are_found(self, statement):
        assert len(architecture.assignments_to_events(module("m", statement))) == 1

    @pytest.mark.parametrize(
        "statement", ["now = event.now", "self.event = event", "event.flow.heard = event.now", "event = 1"]
    )
    def test_reading_or_rebinding_is_not(self, statement):
        assert architecture.assignments_to_events(module("m", statement)) == []
