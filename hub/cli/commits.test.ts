import { describe, expect, it } from 'vitest';
import { fillLedger, startApiHarness } from '../serve/testing/api-harness.ts';
import { REVISION } from '../serve/testing/fleet.ts';
import { runFso } from './testing/run-fso.ts';

describe('fso get commits', () => {
  it('lists commits, and shows one with its steps in each cluster', async () => {
    await using server = await startApiHarness();
    await fillLedger(server.ledger);
    const fso = (...args: string[]) => runFso(args, { FSO_SERVER: server.url });
    expect((await fso('get', 'commits')).out).toMatch(
      /REVISION +STATE[\s\S]*a1a1a1a1 +enforced .* 0\.0s +\+0 ~0 -0 +0\/2 +0 +Keep finance/,
    );
    const one = await fso('get', 'commit', 'a1a1');
    expect(one.out).toContain(REVISION);
    expect(one.out).toMatch(/CLUSTER +OFFERED +ACCEPTED +WRITTEN +PROVEN +REFUSED\neu +-/);
    expect(JSON.parse((await fso('get', 'commit', REVISION, '-o', 'json')).out)).toMatchObject({ state: 'enforced' });
    expect(await fso('get', 'commit', 'ffff')).toMatchObject({ code: 1, err: expect.stringContaining('does not know a commit ffff') });
    expect(await fso('get', 'events', 'eu')).toMatchObject({ code: 2, err: expect.stringContaining('takes no name') });
  });
});
