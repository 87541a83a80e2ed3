import { X509Certificate } from 'node:crypto';
import { EnrolmentTokenView, EnrolmentView } from '@fso/shared/api';
import { IssuedIdentity, RENEW_PATH } from '@fso/shared/protocol';
import { makeRequest } from '../../hub/identity/testing/identity.ts';
import { askHub, type EnrolledAgent, useToken } from '../harness/enrolment-client.ts';
import type { ApiCalls } from './api-calls.ts';
import { createLoad, type Load } from './load.ts';

export interface EnrolmentCounts {
  readonly tokens: number;
  readonly enrolments: number;
  readonly renewals: number;
  readonly revocations: number;
}

/** Clusters that continuously enrol and are revoked, and what the hub has acknowledged of that. */
export interface EnrolmentLoad extends Load {
  /** Counts of acknowledged operations. */
  readonly counts: EnrolmentCounts;
  /**
   * `<action> <cluster> <message>` of each acknowledged enrolment and renewal, which must be in the
   * audit log.
   */
  readonly audited: ReadonlySet<string>;
  /**
   * Returns the acknowledged enrolments that the hub has lost, and continues from those that it
   * knows. Called only while paused.
   */
  losses(views: readonly EnrolmentView[]): string[];
}

export interface EnrolmentLoadOptions {
  readonly agentUrl: string;
  /** PEM of the CA of the hub. */
  readonly ca: string;
  readonly clusters: readonly string[];
  readonly calls: ApiCalls;
  /** Returns a number in [0, 1). */
  readonly random: () => number;
}

type Known = Pick<EnrolmentView, 'state' | 'generation'>;

interface Site {
  readonly cluster: string;
  acknowledged: Known | undefined;
  /** Number of requested changes of the generation that were not answered since. */
  inDoubt: number;
  /** Acknowledged token that was not used yet. It must be valid. */
  token: EnrolmentTokenView | undefined;
  /** Agent whose certificate must be good. */
  agent: EnrolledAgent | undefined;
  /** Expiry of the newest acknowledged certificate; milliseconds since 1970, whole seconds. */
  expires: number;
}

const EVERY_MS = 40;

const generationOf = (certificate: string): number => Number(/serialNumber=(\d+)/.exec(new X509Certificate(certificate).subject)?.[1]);

const stateLoss = ({ acknowledged, inDoubt }: Site, view: EnrolmentView): string | undefined => {
  if (acknowledged === undefined) return undefined;
  const ahead = view.generation - acknowledged.generation;
  if (ahead === 0 ? view.state === acknowledged.state : ahead > 0 && ahead <= inDoubt) return undefined;
  return `is ${view.state} ${view.generation}, acknowledged was ${acknowledged.state} ${acknowledged.generation}`;
};

const lossesOf = (site: Site, view: EnrolmentView | undefined): string[] => {
  if (view === undefined) return site.acknowledged === undefined ? [] : ['is not known'];
  const state = stateLoss(site, view);
  const openToken = view.token?.state === 'open' ? view.token.expires : undefined;
  return [
    ...(state === undefined ? [] : [state]),
    ...(site.token === undefined || site.token.expires === openToken ? [] : ['its token is gone']),
    ...(Date.parse(view.certificateExpires ?? '1970-01-01T00:00:00Z') >= site.expires ? [] : ['its newest certificate is gone']),
  ];
};

export const createEnrolmentLoad = ({ agentUrl, ca, clusters, calls, random }: EnrolmentLoadOptions): EnrolmentLoad => {
  const hub = { agentUrl };
  const sites = clusters.map((cluster): Site => {
    return { cluster, acknowledged: undefined, inDoubt: 0, token: undefined, agent: undefined, expires: 0 };
  });
  const counts = { tokens: 0, enrolments: 0, renewals: 0, revocations: 0 };
  const audited = new Set<string>();
  const refusals: string[] = [];

  const acknowledge = (site: Site, { state, generation }: Known): void => {
    site.acknowledged = { state, generation };
    site.inDoubt = 0;
  };
  const invite = async (site: Site): Promise<void> => {
    site.token = EnrolmentTokenView.parse(await calls.post(`/api/v1/clusters/${site.cluster}/enrolment-token`, {}));
    site.acknowledged ??= { state: 'invited', generation: 0 };
    counts.tokens += 1;
  };
  const enrol = async (site: Site, { token }: EnrolmentTokenView): Promise<void> => {
    Object.assign(site, { token: undefined, agent: undefined, inDoubt: site.inDoubt + 1 });
    const agent = await useToken(hub, token, ca);
    const generation = generationOf(agent.cert);
    acknowledge(site, { state: 'enrolled', generation });
    Object.assign(site, { agent, expires: agent.expires.getTime() });
    audited.add(`cluster.enrol ${site.cluster} Enrolled as generation ${generation}.`);
    counts.enrolments += 1;
  };
  const renew = async (site: Site, agent: EnrolledAgent): Promise<void> => {
    const { csr, key } = await makeRequest();
    const { status, body } = await askHub(hub, `POST ${RENEW_PATH}`, agent, { csr });
    if (status !== 200) throw new Error(`HTTP ${status}: ${body}`);
    const { certificate: cert, expires: until } = IssuedIdentity.parse(JSON.parse(body));
    const expires = new X509Certificate(cert).validToDate;
    Object.assign(site, { agent: { ...agent, cert, key, expires }, expires: expires.getTime() });
    audited.add(`cluster.renew ${site.cluster} Certificate good until ${until}.`);
    counts.renewals += 1;
  };
  const revoke = async (site: Site): Promise<void> => {
    Object.assign(site, { token: undefined, agent: undefined, inDoubt: site.inDoubt + 1 });
    acknowledge(site, EnrolmentView.parse(await calls.post(`/api/v1/clusters/${site.cluster}/revoke`)));
    counts.revocations += 1;
  };
  const step = async (site: Site): Promise<void> => {
    const dice = random();
    if (site.token !== undefined) return enrol(site, site.token);
    if (site.agent === undefined || dice < 0.3) return invite(site);
    return dice < 0.6 ? revoke(site) : renew(site, site.agent);
  };

  const once = (site: Site): Promise<void> =>
    step(site).catch((error: Error) => {
      // No other program acts for these clusters, so a refusal means that acknowledged state was
      // lost. 429 is the rate limit.
      if (/^HTTP 4(?!29)/.test(error.message)) refusals.push(`${site.cluster}: ${error.message}`);
    });
  const loads = sites.map((site) => createLoad(() => once(site), EVERY_MS));

  const settle = (site: Site, view: EnrolmentView | undefined): string[] => {
    const losses = lossesOf(site, view).map((loss) => `enrolment of ${site.cluster}: ${loss}`);
    if (view !== undefined) acknowledge(site, view);
    return losses;
  };
  return {
    run: () => {
      for (const load of loads) load.run();
    },
    pause: async () => {
      await Promise.all(loads.map((load) => load.pause()));
    },
    counts,
    audited,
    losses: (views) => {
      const known = new Map(views.map((view) => [view.cluster, view]));
      return [...refusals, ...sites.flatMap((site) => settle(site, known.get(site.cluster)))];
    },
  };
};
