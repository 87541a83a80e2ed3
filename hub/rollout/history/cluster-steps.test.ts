import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ClusterSteps, countReached, packSteps, STEPS, StepTable, unpackSteps } from './cluster-steps.ts';
import { createRolloutRecord, RolloutRecord } from './rollout-record.ts';

const times = fc.array(fc.option(fc.nat()), { minLength: STEPS.length, maxLength: STEPS.length });
const clusters = fc.uniqueArray(fc.tuple(fc.stringMatching(/^[a-z]([a-z0-9.-]{0,8}[a-z0-9])?$/), times), { selector: ([name]) => name });

describe('steps of clusters', () => {
  it('survive encoding, and are counted', () => {
    fc.assert(
      fc.property(clusters, (written: readonly ClusterSteps[]) => {
        const packed = packSteps(written);
        const counts = STEPS.map((_, column) => written.filter(([, steps]) => steps[column] !== null).length);
        expect([...unpackSteps(packed)]).toEqual(written);
        expect(StepTable.unpack(packed).pack()).toEqual(packed);
        expect([packed.total, ...STEPS.map((step) => countReached(packed, step))]).toEqual([written.length, ...counts]);
      }),
    );
  });

  it('keep the first time of each step, also of clusters that come later, and do not change once packed', () => {
    const table = new StepTable(['eu']);
    expect([table.note('eu', 'offered', 5), table.note('eu', 'offered', 9), table.note('constructor', 'proven', 2 ** 40)]).toEqual([
      true,
      false,
      true,
    ]);
    const packed = table.pack();
    table.note('eu', 'accepted', 10);
    expect([...unpackSteps(packed)]).toEqual([
      ['eu', [5, null, null, null]],
      ['constructor', [null, null, null, 2 ** 31 - 1]],
    ]);
    expect([table.at('eu', 'accepted'), table.at('us', 'offered')]).toEqual([10, undefined]);
  });

  it('are read from a record of an older version', () => {
    const commit = { revision: 'a'.repeat(40), author: 'Ada', subject: 'first', time: '2026-01-03T10:00:00.000Z' };
    const record = createRolloutRecord({ sequence: 1, commit, noticed: commit.time }, []);
    const written: readonly ClusterSteps[] = [
      ['eu', [1, 2, 3, 4]],
      ['us', [1, null, null, null]],
    ];
    const older = JSON.parse(JSON.stringify({ ...record, clusters: Object.fromEntries(written), steps: undefined }));
    const newer = JSON.parse(JSON.stringify({ ...record, steps: packSteps(written) }));
    expect(RolloutRecord.parse(older)).toEqual(RolloutRecord.parse(newer));
    expect([...unpackSteps(RolloutRecord.parse(older).steps)]).toEqual(written);
  });
});
