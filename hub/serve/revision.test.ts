import { describe, expect, it } from 'vitest';
import { REVISION } from './testing/fleet.ts';
import { started } from './testing/requests.ts';

describe('revision', () => {
  it('is one name through all answers', async () => {
    await using server = await started();
    const status = (await (await fetch(`${server.url}/api/v1/status`)).json()) as {
      source: { revision: { revision: string } };
      clusters: object;
    };
    expect(status.source.revision.revision).toBe(REVISION);
    expect(status.clusters).toEqual({
      total: 2,
      connected: 2,
      notObserved: 0,
      disconnected: 0,
      neverSeen: 0,
      notAllKept: 0,
      inSync: 2,
      proven: 2,
      risksUnknown: 2,
      denialsUnknown: 2,
      tampered: 0,
    });
  });
});
