import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { RiskReport, type RiskView } from '@fso/shared/api';
import { createHubClient, type HubClient } from '../../hub/cli/client/api-client.ts';
import { INJECTED, TEAMS, WATCHED } from './generate-workloads.ts';
import { CLUSTERS } from './regions.ts';
import { keyOf } from './workload.ts';

const execute = promisify(execFile);
const FSO = join(import.meta.dirname, '../../hub/cli/main.ts');
/** Buffer size for a list of a few hundred owners with their reasons, as text. */
const MAX_BYTES = 16 * 1024 * 1024;

/** Predictions of the hub about the next start, by API, command and report. */
export class HubAnswers {
  readonly client: HubClient;
  readonly #env: Readonly<Record<string, string>>;

  constructor(server: string, token: string) {
    this.client = createHubClient({ server, token });
    this.#env = { FSO_SERVER: server, FSO_TOKEN: token };
  }

  /** Reads all owners at risk that agents name, for each policy in each cluster. */
  async risks(): Promise<readonly RiskView[]> {
    const risks: RiskView[] = [];
    for (const cluster of CLUSTERS)
      for (const policy of [...TEAMS, WATCHED, INJECTED]) risks.push(...(await this.client.risks({ cluster, policy })));
    return risks;
  }

  /** Runs `fso get risks`. @param filters options of the command */
  async getRisks(...filters: readonly string[]): Promise<readonly RiskView[]> {
    return JSON.parse(await this.#fso('get', 'risks', '-o', 'json', ...filters)) as RiskView[];
  }

  /** Runs `fso report risks`. */
  async report(): Promise<RiskReport> {
    return RiskReport.parse(JSON.parse(await this.#fso('report', 'risks', '-o', 'json')));
  }

  async #fso(...args: readonly string[]): Promise<string> {
    const env = { ...process.env, ...this.#env };
    return (await execute(process.execPath, [FSO, ...args], { env, maxBuffer: MAX_BYTES })).stdout;
  }
}

/**
 * Returns the key of an owner, `one Deployment team-1/w001`. A pod without a controller has its
 * name without the last part.
 */
export const fleetKey = (of: {
  readonly cluster: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}): string => `${of.cluster} ${keyOf({ ...of, name: of.kind === 'Pod' ? of.name.replace(/-\*$/, '') : of.name })}`;
