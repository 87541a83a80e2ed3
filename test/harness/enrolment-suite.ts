import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { runFso } from '../../hub/cli/testing/run-fso.ts';
import type { RunningHub } from '../../hub/hub.ts';
import { caOf, type EnrolledAgent } from './enrolment-client.ts';
import { type HubHarness, openHubHarness } from './hub-harness.ts';
import { basicRepository } from './policy-files.ts';
import { connectStream, type StreamClient } from './stream-client.ts';

const API_TOKEN = 'api-token-0123456789';

type Deps = NonNullable<Parameters<HubHarness['startHub']>[0]>['deps'];

/** Hub that issues identities, one for each test. */
class EnrolmentSuite {
  #bench: HubHarness | undefined;
  #hub: RunningHub | undefined;

  get bench(): HubHarness {
    if (this.#bench === undefined) throw new Error('the repository is available only in tests');
    return this.#bench;
  }

  get hub(): RunningHub {
    if (this.#hub === undefined) throw new Error('the hub is not started');
    return this.#hub;
  }

  set hub(hub: RunningHub) {
    this.#hub = hub;
  }

  /** Data folder of the hub. */
  get folder(): string {
    return join(this.bench.folder, 'hub');
  }

  get ca(): string {
    return caOf(this.folder);
  }

  async open(): Promise<void> {
    this.#bench = await openHubHarness();
    await this.#bench.repository.commit(basicRepository(), 'first');
  }

  async start(deps: Deps = {}): Promise<RunningHub> {
    this.#hub = await this.bench.startHub({ config: { identity: { ca: undefined, hostnames: [] }, apiToken: API_TOKEN }, deps });
    return this.#hub;
  }

  async joinHub(agent: EnrolledAgent): Promise<StreamClient> {
    const stream = await connectStream(this.hub.agentUrl, '', agent.cluster, agent);
    stream.hello();
    await stream.next('welcome');
    return stream;
  }

  fso(...args: string[]) {
    return runFso(args, { FSO_SERVER: this.hub.url, FSO_TOKEN: API_TOKEN });
  }

  async reasonsOf(): Promise<string[]> {
    return (await this.hub.ledger.events({ limit: 100 })).map(({ reason, cluster }) => `${reason} ${cluster}`);
  }
}

/** Call at the top of a test file. */
export const useEnrolment = (): EnrolmentSuite => {
  const enrolment = new EnrolmentSuite();
  beforeEach(() => enrolment.open());
  afterEach(() => enrolment.bench.close());
  return enrolment;
};
