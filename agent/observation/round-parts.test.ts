import { FakeClock } from '@fso/shared/fake-clock';
import { describe, expect, it } from 'vitest';
import { RoundParts } from './round-parts.ts';

describe('the parts of a round', () => {
  const start = () => {
    const clock = new FakeClock();
    const failures: string[] = [];
    const parts = new RoundParts({ clock, onFailure: (part) => failures.push(part) });
    const round = async (broken: boolean): Promise<void> => {
      await clock.advance(1_000);
      parts.begin();
      parts.run(
        'guard',
        () => {
          if (broken) throw new TypeError('pods.every is not a function');
          return true;
        },
        false,
      );
      expect(parts.run('floor', () => 'planned', 'nothing')).toBe('planned');
      parts.end();
    };
    return { clock, parts, failures, round };
  };

  it('are independent: a failing part ages, the others continue', async () => {
    const { clock, parts, failures, round } = start();
    await round(false);
    await round(true);
    await round(true);
    expect(parts.state('floor').startedAtMs).toBe(clock.monotonicMs());
    expect(parts.state('guard')).toMatchObject({ startedAtMs: clock.monotonicMs() - 2_000, error: 'pods.every is not a function' });
    expect(failures).toEqual(['guard', 'guard']);
    expect(parts.hasFailed).toBe(true);
    await round(false);
    expect(parts.state('guard')).toMatchObject({ startedAtMs: clock.monotonicMs(), error: undefined });
  });

  it('are confirmed by a look without changes, except for those that failed', async () => {
    const { clock, parts, round } = start();
    await round(true);
    await clock.advance(5_000);
    parts.confirm();
    expect(parts.state('floor').startedAtMs).toBe(clock.monotonicMs());
    expect(parts.state('guard').startedAtMs).toBeUndefined();
  });
});
