import assert from "node:assert/strict";
import {
  type CpuTimes,
  TelemetrySampler,
} from "../../../src/run/telemetry/telemetry.ts";

/** A sampler over a clock and counters that the test sets. */
function fakeSampler() {
  const at = { now: 0, times: { ownMs: 0, machine: null } as CpuTimes };
  let looks = -1; // the first is the constructor's
  const sampler = new TelemetrySampler({
    now: () => at.now,
    readTimes: () => (looks++, at.times),
  });
  return { at, sampler, looks: () => looks };
}

Deno.test("TelemetrySampler averages since the look before", () => {
  const { at, sampler } = fakeSampler();
  at.times = { ownMs: 100, machine: { busy: 10, total: 100 } };
  const { cpuPct } = sampler.sample(); // no second has passed
  assert.equal(cpuPct, null);

  at.now = 2000; // two cores and a half for two seconds
  at.times = { ownMs: 5000, machine: { busy: 160, total: 300 } };
  assert.equal(sampler.sample().cpuPct, 250);
  assert.equal(sampler.sample().machineCpuPct, null); // counted only since

  at.now = 3000;
  at.times = { ownMs: 5250, machine: { busy: 310, total: 500 } };
  const { cpuPct: own, machineCpuPct } = sampler.sample();
  assert.deepEqual([own, machineCpuPct], [25, 75]); // 150 of 200
});

Deno.test("TelemetrySampler keeps its figures for a second", () => {
  const { at, sampler, looks } = fakeSampler();
  at.now = 1000;
  at.times = { ownMs: 500, machine: null };
  const first = sampler.sample();
  assert.equal(first.cpuPct, 50);
  at.now = 1999;
  at.times = { ownMs: 1500, machine: null };
  assert.equal(sampler.sample(), first);
  assert.equal(looks(), 1);
  at.now = 2000;
  assert.equal(sampler.sample().cpuPct, 100);
});

Deno.test("TelemetrySampler shows no share where counters stand still", () => {
  const { at, sampler } = fakeSampler();
  for (const machine of [{ busy: 5, total: 9 }, { busy: 5, total: 9 }]) {
    at.now += 1000;
    at.times = { ownMs: 0, machine };
    assert.equal(sampler.sample().machineCpuPct, null);
  }
  at.now += 1000;
  at.times = { ownMs: 0, machine: { busy: 12, total: 14 } }; // idle ran back
  assert.equal(sampler.sample().machineCpuPct, 100);
});

Deno.test("TelemetrySampler passes on what the GPU reports", () => {
  const { at, sampler } = fakeSampler();
  assert.equal(sampler.sample().gpuUtilPct, null);
  sampler.gpu = () => ({
    gpuUtilPct: 93,
    vramUsedBytes: 4e9,
    vramTotalBytes: 16e9,
    powerW: 200,
    tempC: 61,
  });
  at.now = 1000;
  const { gpuUtilPct, powerW, rssBytes } = sampler.sample();
  assert.deepEqual([gpuUtilPct, powerW], [93, 200]);
  assert.ok(rssBytes! > 10e6);
});

Deno.test("TelemetrySampler counts the threads of workers", async () => {
  let now = 0;
  const sampler = new TelemetrySampler({ now: () => now });
  // So much work, not so much time: a busy machine gives it little of that.
  const work = `
    let sum = 0;
    for (let i = 0; i < 5e8; i++) sum = (sum + i) | 0;
    postMessage(sum);`;
  const url = `data:application/javascript,${encodeURIComponent(work)}`;
  const worker = new Worker(url, { type: "module" });
  await new Promise((resolve) => worker.onmessage = resolve);
  worker.terminate();
  now = 1000; // on this clock, so the time that has passed is known
  // Some 150 ms of a second, and 10 to start it.
  assert.ok(sampler.sample().cpuPct! >= 2);
});
