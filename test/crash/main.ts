/**
 * Kills the hub (and PostgreSQL, and agents) with -9 at random points under load and looks for
 * whatever it had acknowledged.
 *
 *   npm run test:crash -- --kills 100 [--seed 42] [--database embedded|postgres]
 */
import { readOptions, refuseOptions } from '../harness/options.ts';
import { type CrashOptions, crash } from './crash.ts';

const USAGE = 'npm run test:crash -- [--kills 100] [--seed 42] [--database embedded|postgres]';
const values = readOptions(USAGE, {
  kills: { type: 'string', default: '100' },
  seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
  database: { type: 'string' },
});
const kills = Number(values.kills);
const seed = Number(values.seed);
const databases = (['embedded', 'postgres'] as const).filter((name) => values.database === undefined || values.database === name);
if (!Number.isInteger(kills) || kills < 1 || !Number.isInteger(seed) || databases.length === 0) refuseOptions(USAGE);

for (const database of databases) {
  console.log(`${database}: ${kills} kills, seed ${seed}`);
  const options: CrashOptions = { database, kills, seed, log: (line) => console.log(`${database}: ${line}`) };
  const { hubKills, serverKills, agentKills, ...counts } = await crash(options);
  const { reports, events, auditEntries, tokens, enrolments, renewals, revocations } = counts;
  console.log(
    `${database}: hub killed ${hubKills} times, PostgreSQL ${serverKills} times, agents ${agentKills} times; acknowledged and all there: ` +
      `${reports} reports, ${events} events, ${tokens} enrolment tokens, ${enrolments} enrolments, ${renewals} renewals, ` +
      `${revocations} revocations, ${auditEntries} audit entries; the audit log is intact`,
  );
}
