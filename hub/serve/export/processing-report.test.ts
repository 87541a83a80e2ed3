import { setImmediate } from 'node:timers/promises';
import type { ProcessingRow } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { clusterRecord } from '../testing/fleet.ts';
import { askClusters, type SeenProcessing } from './processing-report.ts';

const membersOf = (count: number) => Array.from({ length: count }, (_, index) => ({ record: clusterRecord(`c${index}`) }));
const ROW: ProcessingRow = { namespace: 'a', policies: ['a'], country: 'IE', provider: 'aws', region: 'eu-west-1', pods: 1 };
const answerOf = (rows: number): SeenProcessing => ({ rows: Array.from({ length: rows }, () => ROW), omitted: 0 });

/** Agents of which some are silent until they are given up. */
const agentsOf = (isSilent: (index: number) => boolean, rows = 1) => {
  const asked: string[] = [];
  const givenUp = Promise.withResolvers<undefined>();
  const locate = (cluster: string): Promise<SeenProcessing | undefined> => {
    asked.push(cluster);
    return isSilent(Number(cluster.slice(1))) ? givenUp.promise : Promise.resolve(answerOf(rows));
  };
  return { asked, locate, giveUp: () => givenUp.resolve(undefined) };
};

const listOf = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
};

/** Lets everything run that waits for nothing else. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await setImmediate();
};

describe('the question where pods run', () => {
  it('reaches all clusters while silent ones are waited for, and keeps their order', async () => {
    const agents = agentsOf((index) => index % 4 === 0);
    const reading = listOf(askClusters(membersOf(360), agents.locate));
    await settle();
    expect(agents.asked).toHaveLength(360);
    agents.giveUp();
    const answers = await reading;
    expect(answers.map(({ cluster }) => cluster)).toEqual(membersOf(360).map(({ record }) => record.name));
    expect(answers.filter(({ processing }) => processing === undefined)).toHaveLength(90);
  });

  it('is open at 100 agents at a time', async () => {
    const agents = agentsOf(() => true);
    const reading = listOf(askClusters(membersOf(250), agents.locate));
    await settle();
    expect(agents.asked).toHaveLength(100);
    agents.giveUp();
    expect(await reading).toHaveLength(250);
  });

  it('waits with others while many rows wait for an earlier answer, or for their reader', async () => {
    const agents = agentsOf((index) => index === 0, 20_000);
    const answers = askClusters(membersOf(400), agents.locate);
    const first = answers.next();
    await settle();
    // Those that were open as the 100,000 rows were full have answered, too.
    const early = agents.asked.length;
    expect(early).toBeLessThan(120);
    agents.giveUp();
    expect((await first).value).toEqual({ cluster: 'c0', processing: undefined });
    await settle();
    expect(agents.asked).toHaveLength(early);
    await answers.return(undefined);
    await settle();
    expect(agents.asked).toHaveLength(early);
  });

  it('is not put to a cluster that is gone', async () => {
    const agents = agentsOf(() => false);
    const gone = { record: clusterRecord('c1', [], { connected: false }) };
    const answers = await listOf(askClusters([...membersOf(1), gone], agents.locate));
    expect([agents.asked, answers[1]]).toEqual([['c0'], { cluster: 'c1', processing: undefined }]);
  });
});
