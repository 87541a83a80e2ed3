import { describe, expect, it } from 'vitest';
import { crash } from '../crash/crash.ts';
import { crashRollouts } from '../crash/rollout-crash.ts';

/** A few of the kills that `npm run test:crash` does a hundred times. */
const KILLS = 5;
/** Interval of kills, in writes of a rollout; `npm run test:crash -- --rollout` kills at each. */
const EVERY = 10;
const SEED = Number(process.env['FSO_TEST_CRASH_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

describe(`kill -9 of hub, server and agents under load, seed ${SEED}`, () => {
  it.each(['embedded', 'postgres'] as const)('%s: loses nothing that was acknowledged', async (database) => {
    const result = await crash({ database, kills: KILLS, seed: SEED, log: () => undefined });
    expect(result.hubKills + result.serverKills).toBe(KILLS);
    expect(result.reports).toBeGreaterThan(KILLS);
    expect(result.events).toBeGreaterThan(KILLS);
    expect(result.auditEntries).toBeGreaterThan(0);
    expect(Math.min(result.tokens, result.enrolments)).toBeGreaterThan(0);
  });
});

describe('kill -9 of the hub at writes of a rollout', () => {
  it.each(['embedded', 'postgres'] as const)('%s: ends as without', async (database) => {
    const { writes, kills } = await crashRollouts({ database, every: EVERY, log: () => undefined });
    expect(writes).toBeGreaterThan(EVERY);
    expect(kills).toBeGreaterThan(0);
  });
});
