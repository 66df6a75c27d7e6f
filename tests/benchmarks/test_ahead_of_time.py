"""Ahead of time: what is read off compilers' output is counted by hand, results are of these kernels."""

import shutil
from collections import Counter
from functools import cache
from pathlib import Path

import jax.numpy as jnp
import pytest

import tokenspace_kernels
from tokenspace.errors import InputError
from tokenspace.sampling.plan import ACCELERATOR_BLOCK_ELEMENTS, TOKEN_BLOCK
from tokenspace_benchmarks import scaling
from tokenspace_benchmarks.ahead_of_time import (
    TARGETS,
    bundles,
    compile_for,
    document,
    gpu,
    hlo,
    launches,
    report,
    sass,
    tpu,
)
from tokenspace_benchmarks.ahead_of_time.programs import programs as planned_programs
from tokenspace_benchmarks.ahead_of_time.record import WALKS
from tokenspace_kernels import sample_divergence_unrolled as unrolled

programs = cache(lambda platform: list(planned_programs(platform)))
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"

# Machine code in the notation of nvdisasm: a counted loop with a two-sided branch inside, a store,
# the end of the kernel, the padding that follows every kernel.
SASS = """
kernel:
        /*0000*/                   S2R R0, SR_TID.X ;
        /*0010*/                   HFMA2.MMA R3, -RZ, RZ, 0, 0 ;
.L_x_0:
        /*0020*/                   IADD3 R3, P2, R3, 0x40, RZ ;
        /*0030*/               @P0 BRA `(.L_x_1) ;
        /*0040*/                   FADD R4, R4, R5 ;
        /*0050*/                   FADD R4, R4, R5 ;
        /*0060*/                   BRA `(.L_x_2) ;
.L_x_1:
        /*0070*/                   MUFU.LG2 R4, R4 ;
.L_x_2:
        /*0080*/                   ISETP.NE.U32.AND P1, PT, R3, 0x100, PT ;
        /*0090*/               @P1 BRA `(.L_x_0) ;
        /*00a0*/                   STG.E desc[UR4][R2.64], R4 ;
        /*00b0*/                   EXIT ;
.L_x_3:
        /*00c0*/                   BRA `(.L_x_3);
        /*00d0*/                   NOP;
"""


def test_instructions_are_counted_along_the_control_flow():
    counted, unknown, walks = sass.count(sass.parse(SASS))
    assert (unknown, walks) == (0, ())
    assert counted == {
        "control": 1 + 4 * (1 + 0.5 + 1) + 1,  # S2R; branches: there, back over, back; EXIT
        "fma": 1,
        "integer": 4 * 2,
        "other float": 4 * 0.5 * 2,
        "special": 4 * 0.5,
        "memory": 1,
    }


@pytest.mark.parametrize(
    ("compare", "step", "bound", "predicate", "trips"),
    [
        ("NE", "0x40", "0x100", "@P1", 4),
        ("LT", "0x40", "0xf0", "@P1", 4),
        ("GE", "0x40", "0x100", "@!P1", 4),
        ("GT", "0x1", "0x9", "@!P1", 10),
        ("NE", "0x40", "R9", "@P1", None),
    ],
)
def test_trips_of_a_loop(compare, step, bound, predicate, trips):
    text = SASS.replace("NE.U32", f"{compare}.U32").replace("0x40, RZ", f"{step}, RZ")
    text = text.replace("0x100, PT", f"{bound}, PT").replace("@P1", predicate)
    counted, unknown, walks = sass.count(sass.parse(text))
    assert unknown == len(walks) == (trips is None)
    assert counted["integer"] == 2 * (trips or 1)


@pytest.mark.parametrize(("start", "trips"), [("MOV R3, 0x8", 8), ("LDC R3, c[0x0][0x210]", None)])
def test_trips_of_a_loop_that_counts_down(start, trips):
    """To nothing, from a constant or from a number that only a run knows."""
    text = SASS.replace("HFMA2.MMA R3, -RZ, RZ, 0, 0", start)
    text = text.replace("0x40, RZ", "-0x1, RZ").replace("0x100, PT", "RZ, PT")
    counted, unknown, _ = sass.count(sass.parse(text))
    assert (unknown, counted["special"]) == (trips is None, 0.5 * (trips or 1))


def test_trips_of_loops_with_uniform_predicates():
    """A predicate that is true once and then no more; and one whose counter starts late."""
    twice = SASS.replace(
        "ISETP.NE.U32.AND P1, PT, R3, 0x100, PT ;", "PLOP3.LUT P1, PT, PT, PT, UP0, 0x80, 0x0 ;\n"
        "        /*0088*/                   UPLOP3.LUT UP0, UPT, UPT, UPT, UPT, 0x40, 0x0 ;",
    )  # fmt: skip
    assert sass.count(sass.parse(twice))[0]["special"] == 2 * 0.5
    late = SASS.replace("HFMA2.MMA R3, -RZ, RZ, 0, 0", "MOV R3, 0x80")
    assert sass.count(sass.parse(late))[0]["special"] == 2 * 0.5


def test_a_walk_draws_a_normal_for_each_logarithm():
    """Of a loop whose end only a run knows."""
    _, _, (walk,) = sass.count(sass.parse(SASS.replace("0x100, PT", "R9, PT")))
    assert walk == {"integer": 4, "control": 5, "other float": 2, "special": 1}


def test_subroutines_are_slow_paths():
    text = SASS.replace(".L_x_3:", "$slow:\n /*00b8*/ FADD R4, R4, R5 ;\n.L_x_3:")
    assert sass.count(sass.parse(text)) == sass.count(sass.parse(SASS))


def test_least_cycles_of_a_kernel():
    launch = gpu.Launch("kernel", blocks=264, threads=128, times=1.0)
    issue = Counter({"integer": 32, "fma": 64, "memory": 16})
    assert gpu.cycles(launch, issue) == (2 * 128 * 112 / 128, "issue")
    integers = Counter({"integer": 96, "comparison": 4, "fma": 10})
    assert gpu.cycles(launch, integers) == (2 * 128 * 100 / 64, "integer")
    special = Counter({"special": 32, "fma": 64})
    assert gpu.cycles(launch._replace(blocks=1), special) == (128 * 32 / 16, "special")
    assert [gpu.kind_of(o) for o in ("IMAD.MOV.U32", "LDG.E.128", "FSETP.GT", "BRA")] == [
        "integer multiply",
        "memory",
        "comparison",
        "control",
    ]


# A program with a loop of 16 steps and a choice inside, in XLA's notation.
HLO = """
%cond (p: (s32[], f32[8])) -> pred[] {
  %p = (s32[], f32[8]) parameter(0)
  %n = s32[] constant(16)
  %i = s32[] get-tuple-element(%p), index=0
  ROOT %lt = pred[] compare(%i, %n), direction=LT
}

%small (x: f32[8]) -> f32[8] {
  ROOT %a = f32[8] fusion(%x), backend_config={"estimated_cycles":"10"}
}

%large (x: f32[8]) -> f32[8] {
  ROOT %b = f32[8] fusion(%x), backend_config={"estimated_cycles":"1000"}
}

%body (p: (s32[], f32[8])) -> (s32[], f32[8]) {
  %q = (s32[], f32[8]) parameter(0)
  %c = f32[8] conditional(%i, %x, %x), branch_computations={%small, %large}
  %d = f32[8] fusion(%c), calls=%other, backend_config={"estimated_cycles":"100"}
  ROOT %t = (s32[], f32[8]) tuple(%i, %d)
}

ENTRY %main (x: f32[8]) -> f32[8] {
  %w = (s32[], f32[8]) while(%x), condition=%cond, body=%body
  %g = f32[32] all-gather(%w), dimensions={0}
  ROOT %r = f32[8] fusion(%w), backend_config={"estimated_cycles":"5"}
}
"""


def test_loops_of_a_program():
    program = hlo.parse(HLO)
    assert list(hlo.loops(program)) == [hlo.Loop("cond", "body", 16)]
    known = HLO.replace("body=%body", 'body=%body, backend_config={"known_trip_count":{"n":"7"}}')
    assert [loop.trips for loop in hlo.loops(hlo.parse(known))] == [7]
    until = HLO.replace("direction=LT", "direction=NE")
    assert [loop.trips for loop in hlo.loops(hlo.parse(until))] == [None]


def test_communication_inside_loops_is_seen():
    assert hlo.collectives(hlo.parse(HLO)) == ["all-gather"]
    assert hlo.collectives(hlo.parse(HLO), in_loops=True) == []
    inside = HLO.replace("f32[8] fusion(%x)", "f32[8] all-reduce-start(%x)", 1)
    assert hlo.collectives(hlo.parse(inside), in_loops=True) == ["all-reduce"]


def test_cycles_of_a_program(tmp_path):
    found = tpu.count(HLO, tmp_path, 0)
    assert (found.run, found.steps, found.step) == (16 * 110 + 5, 16, 110)
    assert found.notes == ("of branches the cheapest counts",)
    known = tpu.count(HLO, tmp_path, 0, (0.75, 0.25))
    assert (known.step, known.notes) == (100 + 0.75 * 10 + 0.25 * 1000, ())


BUNDLES = """
     0   :  { %s1 = smov 0 }
   0x1 LB: > { %s2 = sadd.s32 1, %s1 }
   0x2   :  {}
   0x3 LB: >> { %v1 = vadd.f32 %v2, %v3 }
   0x4   : >> { %10 = vst [vmem:[#allocation3_spill] sm:$0xff] %v1 ;; %p1 = scmp.ge.s32.totalorder %s4, 8 /* loop exit test */ }
   0x5   : > { %p2 = scmp.ge.s32.totalorder %s2, 5 /* loop exit test */ }
   0x6   :  { %12 = sbr.rel (!%p2) target = $region1 }
   0x7   :  {}
"""


def test_bundles_of_a_pallas_kernel(tmp_path):
    found = bundles.count(BUNDLES, 0)
    assert (found.run, found.steps, found.step) == (3 + 5 * (3 + 8 * 2), 5, 3 + 8 * 2)
    assert found.spills == 4096
    (tmp_path / "1-walk.1-71-final_bundles.txt").write_text(BUNDLES)
    call = 'ROOT %walk.1 = f32[8] custom-call(%w), custom_call_target="tpu_custom_call"'
    text = HLO.replace('ROOT %r = f32[8] fusion(%w), backend_config={"estimated_cycles":"5"}', call)
    assert tpu.count(text, tmp_path, 0).run == 16 * 110 + found.run
    assert "not counted" in tpu.count(text.replace("walk", "other"), tmp_path, 0).notes[0]


def test_bundles_of_a_walk():
    """Its end is no constant: it goes on until all normals are drawn, 1,024 a logarithm."""
    text = BUNDLES.replace("%s4, 8 /*", "%s4, %s5 /*").replace("vadd.f32 %v2", "vlog2.f32 %v2")
    found = bundles.count(text, 40 * 1024)
    assert found.run == 3 + 5 * 3 + 40 * 2
    assert found.step == pytest.approx(3 + 40 * 2 / 5)
    assert found.notes == (WALKS,)


# XLA's launch sequence of such a program.
THUNKS = """
001: kCopy         [source       | next=002 (1)] kCopy
002: kWhile        [prev=001 (1) | next=021 (1)]
condition:
    003: kCustomKernel [source | sink] compare grid: [1, 1, 1] threads: [1, 1, 1]  shared_memory: 0 bytes
  body:
    004: kDynamicSliceFusion [source       | next=014 (2)] params=1, results=1
        005: kCopy [source | sink] kCopy
    009: kConditional        [prev=012 (1) | next=043 (1)]
      branch_0:
        006: kCustomKernel [source | sink] draw grid: [264, 1, 1] threads: [128, 1, 1]  shared_memory: 0 bytes
      branch_1:
        007: kCustomKernel [source | sink] draw grid: [2640, 1, 1] threads: [128, 1, 1]  shared_memory: 0 bytes
        008: kCopy [source | sink] kCopy
    010: kCustomKernel       [prev=013 (1) | next=015 (1)] add grid: [2, 3, 1] threads: [32, 1, 1]  shared_memory: 0 bytes
011: kGemm [prev=007 (1) | sink        ] gemm
"""


def test_launches_of_a_program():
    code = {name: Counter({"fma": 128}) for name in ("compare", "draw", "add")}
    found = launches.sequence(THUNKS, hlo.parse(HLO), code)
    assert (found.steps, found.starts_step) == (16, 1 + 3)  # test; copy, cheapest branch, sum
    assert found.work.starts == 1 + 17 + 16 * 3 + 1
    assert Counter({(k.kernel, k.blocks): k.times for k in found.work.launches}) == {
        ("compare", 1): 17,
        ("draw", 264): 16,
        ("add", 6): 16,
    }
    assert "instructions of Gemm are not counted" in found.work.notes
    known = launches.sequence(THUNKS, hlo.parse(HLO), code, (0.75, 0.25))
    assert known.work.starts == 1 + 17 + 16 * (2 + 0.75 * 1 + 0.25 * 2) + 1


def test_programs_have_the_blocks_of_an_accelerator():
    """Not those of the machine that compiles."""
    tokens = [p for p in programs("tpu") if p.kernel == "sample_divergence"]
    assert len(tokens) >= 4
    for p in tokens:
        if p.implementation == "xla":
            assert p.replicates == ACCELERATOR_BLOCK_ELEMENTS // (TOKEN_BLOCK * 1024)
        assert p.numbers == p.replicates * 1024 * 1024
    for p in programs("gpu"):
        if (p.kernel, p.implementation) == ("sample_divergence", "xla"):
            assert p.replicates == ACCELERATOR_BLOCK_ELEMENTS // (unrolled.BLOCK * 1024)


def test_programs_that_differ_in_numbers_are_one():
    of = {p.name: p.identity for p in programs("tpu") if p.implementation == "xla"}
    same = {name for name in of if of[name] == of["D(n), AR(1): tokens"]}
    assert same == {f"D(n), {kind}: tokens" for kind in ("white", "AR(1)", "blocks")}
    assert of["given tokens: divergence"] != of["given tokens: divergence and psi"]
    assert len(set(of.values())) == len(of) - 2


def test_targets_are_named_in_errors():
    with pytest.raises(InputError, match="h100, v5e, v5p, v6e"):
        compile_for("h1000", jnp.sin, (jnp.ones(3),), 3)


@pytest.mark.parametrize("name", TARGETS)
def test_results_are_of_these_kernels(name):
    """Kernels that changed must be compiled anew, or the table of README.md speaks of others."""
    found = document.load(RESULTS)[name]
    assert (why := document.staleness(found)) is None, why
    names = {r["program"] for r in found["records"]}
    assert names == {p.name for p in programs("tpu")}  # as on a GPU, and planned once
    for r in found["records"]:
        assert r["device"] == found["device"]
        assert r["bound_replicates_per_s"] == pytest.approx(
            r["bound_numbers_per_s"] * r["replicates"] / r["numbers"]
        )
    over_chips = {(s["implementation"], s["chips"]) for s in found["scale"]}
    assert over_chips == {(k, chips) for k in ("xla", "pallas") for chips in (4, 16)}
    for s in found["scale"]:  # samples are joined once, after every loop
        assert (s["collectives"], s["collectives_in_loops"]) == (["all-gather"], [])


def test_kernels_in_pallas_keep_their_budgets():
    """As compiled last; where compilers are installed, tests of kernels compile them anew."""
    for name, found in document.load(RESULTS).items():
        for r in found["records"]:
            if (r["implementation"], r["program"][:4]) != ("pallas", "D(n)"):
                continue
            waits = name == "v6e" and "psi" in r["program"]  # for a register, in 17 vectors
            assert r["spills"] <= (17 * 4 * bundles.VECTOR if waits else 0)
            assert r["temporaries"] <= 1 << 20
            if name == "h100" and "psi" not in r["program"]:
                assert r["launches_run"] <= 2
                assert r["instructions_a_number"] <= 75


def test_a_changed_kernel_is_noticed(tmp_path, monkeypatch):
    now = document.fingerprint()
    copy = tmp_path / "tokenspace_kernels"
    shutil.copytree(Path(tokenspace_kernels.__file__).parent, copy)
    monkeypatch.setattr(tokenspace_kernels, "__file__", str(copy / "__init__.py"))
    assert document.fingerprint() == now
    with (copy / "reference.py").open("a") as file:
        file.write("# never compiled\n")
    assert document.fingerprint() == now
    with (copy / "random_bits.py").open("a") as file:
        file.write("# compiled\n")
    why = document.staleness({"kernels": now, "device": "TPU v5e", "commit": "abc"})
    assert "make ahead-of-time" in why


def test_picture_and_table_of_a_result(tmp_path):
    for found in document.load(RESULTS).values():
        assert report.table(found).row_count == len(found["records"])
        assert report.draw(found, tmp_path).stat().st_size > 10_000


def test_scaling_takes_the_compiled_bound(tmp_path):
    assert scaling.compiled(tmp_path) == {}
    found = scaling.compiled(RESULTS)
    (v5e,) = [
        r
        for r in document.load(RESULTS)["v5e"]["records"]
        if (r["program"], r["implementation"]) == (scaling.COMPILED, "xla")
    ]
    assert found["TPU v5e"] <= scaling.TOKENS * scaling.DIM / v5e["bound_numbers_per_s"]
    rows = scaling.extrapolate(0.0, 1e-6, 0.0, 1000)
    assert [r["devices"] for r in rows] == [8, 8, 64, 64, 512, 512]
    assert rows[0]["seconds"] == pytest.approx(512e-3 / 8 + 4 * 33 * 512_000 / 1e9)
