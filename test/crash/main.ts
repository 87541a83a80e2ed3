/**
 * Kills the hub (and PostgreSQL, and agents) with -9 at random points under load, and checks that
 * nothing acknowledged is lost. With --rollout, kills the hub at every write of a rollout, and
 * compares the final states. The canary wave of one rollout proves the commit. That of another is
 * away, and a signed tag lets the rollout continue.
 *
 *   npm run test:crash -- --kills 100 [--seed 42] [--database embedded|postgres]
 *   npm run test:crash -- --rollout [--database embedded|postgres]
 */
import { readOptions, refuseOptions } from '../harness/options.ts';
import { type CrashOptions, crash } from './crash.ts';
import { crashRollouts } from './rollout-crash.ts';

const USAGE = 'npm run test:crash -- [--kills 100] [--seed 42] [--rollout] [--database embedded|postgres]';
const values = readOptions(USAGE, {
  kills: { type: 'string', default: '100' },
  seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
  database: { type: 'string' },
  rollout: { type: 'boolean', default: false },
});
const kills = Number(values.kills);
const seed = Number(values.seed);
const databases = (['embedded', 'postgres'] as const).filter((name) => values.database === undefined || values.database === name);
if (!Number.isInteger(kills) || kills < 1 || !Number.isInteger(seed) || databases.length === 0) refuseOptions(USAGE);

const crashUnderLoad = async (database: CrashOptions['database'], log: CrashOptions['log']): Promise<void> => {
  console.log(`${database}: ${kills} kills, seed ${seed}`);
  const { hubKills, serverKills, agentKills, ...counts } = await crash({ database, kills, seed, log });
  const { reports, events, auditEntries, tokens, enrolments, renewals, revocations } = counts;
  console.log(
    `${database}: hub killed ${hubKills} times, PostgreSQL ${serverKills} times, agents ${agentKills} times; acknowledged and all there: ` +
      `${reports} reports, ${events} events, ${tokens} enrolment tokens, ${enrolments} enrolments, ${renewals} renewals, ` +
      `${revocations} revocations, ${auditEntries} audit entries; the audit log is intact`,
  );
};

const crashAtEachWrite = async (database: CrashOptions['database'], log: CrashOptions['log']): Promise<void> => {
  for (const canary of ['connected', 'away'] as const) {
    const noted: CrashOptions['log'] = (line) => log(`canary ${canary}: ${line}`);
    const { writes, kills: done, repeated } = await crashRollouts({ database, canary, every: 1, log: noted });
    noted(`a rollout makes ${writes} writes; ${done} kills before and after each, and every rollout ended as one without`);
    if (canary === 'away') noted(`the audit log has each approval, ${repeated} of them twice; without a tag nothing went on`);
  }
};

for (const database of databases) {
  const log = (line: string): void => console.log(`${database}: ${line}`);
  await (values.rollout ? crashAtEachWrite : crashUnderLoad)(database, log);
}
