import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { systemClock } from '@fso/shared/runtime';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Branches, openSource, type SourceOptions } from '../../hub/source/index.ts';
import { BranchBench, CREDENTIALS, FILES, TIGHT } from '../harness/branch-bench.ts';
import { eventually, never } from '../harness/waiting.ts';

let bench: BranchBench;
beforeEach(async () => {
  bench = await BranchBench.open();
});
afterEach(() => bench.hubs.close());

describe('a reader of branches', () => {
  it('refuses what is too large, reads the next one, and ends with its caller', async () => {
    const first = await bench.hubs.repository.commit(FILES, 'first');
    await bench.push('large', { 'junk.bin': randomBytes(300_000).toString('base64') });
    const tip = await bench.push('tighten', TIGHT);
    const options: SourceOptions = {
      ...{ url: bench.hubs.git.url('policies.git'), ref: 'refs/heads/main', dataDir: join(bench.hubs.folder, 'source'), pollMs: 60_000 },
      ...{ trust: { mode: 'off' as const }, credentials: CREDENTIALS, limits: { responseBytes: 100_000 } },
    };
    const logger = pino({ level: 'silent' });
    const source = await openSource(options, { clock: systemClock, logger, random: Math.random });
    const results: string[] = [];
    const metrics = { step: (step: string, result: string) => void results.push(`${step} ${result}`) };
    const branches = new Branches(options, { clock: systemClock, logger, metrics, followed: source.objects });
    const stop = new AbortController();
    const running = [source.run(stop.signal), branches.run(stop.signal)];
    await eventually(() => source.state().revision?.revision === first);

    await expect(branches.read('large', first, never)).rejects.toMatchObject({
      ...{ code: 'conflict', message: 'The branch cannot be fetched: the Git server sent more than 100000 bytes.' },
    });
    expect(await branches.read('tighten', first, never)).toMatchObject({ name: 'tighten', revision: tip, ahead: 1, behind: 0 });
    expect((await branches.list()).branches.map(({ name }) => name)).toEqual(['large', 'tighten']);

    const pack = bench.holdPack();
    const caller = new AbortController();
    const reading = branches.read('tighten', first, caller.signal);
    await pack.asked;
    caller.abort(new Error('the caller left'));
    await expect(reading).rejects.toThrow('the caller left');
    pack.release();
    expect(results).toEqual(['branch error', 'branch ok', 'branch error']);
    stop.abort();
    await Promise.all(running);
  });
});
