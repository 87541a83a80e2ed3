import { join } from 'node:path';
import { SYSTEM_NAMESPACE } from '@fso/shared/api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/waiting.ts';
import { Images, imageOf, VERSIONS } from './images.ts';
import { whyNoNodes } from './machine.ts';
import { RealCluster } from './real-cluster.ts';

/** The short form of the other files here, which is a part of `npm test` where nodes can run. */

const [VERSION] = VERSIONS;
const INSIDE = 'eu-west-1';
const GOVERNED = 'finance';
/** Several runs on one machine have networks of their own. */
const NUMBER = 100 + (process.pid % 150);

const reason = await whyNoNodes();

describe.skipIf(reason !== undefined)(`one node${reason === undefined ? '' : `, which cannot run here: ${reason}`}`, () => {
  let cluster: RealCluster;

  beforeAll(async () => {
    const images = new Images(join('.fso', 'deploy', 'images'));
    const archive = await images.product('agent', VERSION);
    cluster = await RealCluster.start({ name: `n${NUMBER}`, number: NUMBER, region: INSIDE, images });
    await cluster.node.importImage(archive);
  });
  afterAll(() => cluster?.close());

  it('runs the agent of the chart from its image, and a governed pod where its policy allows it', async () => {
    await cluster.makeRestrictedNamespace(SYSTEM_NAMESPACE);
    await cluster.install({
      chart: 'fso-agent',
      namespace: SYSTEM_NAMESPACE,
      values: { cluster: 'one', replicas: 1, ...imageOf(VERSION) },
    });
    await cluster.makeNamespace(GOVERNED);
    await eventually(() => cluster.applyPolicy(GOVERNED, { targetNamespace: GOVERNED, allowedRegions: [INSIDE] }));
    let tries = 0;
    const outside = (): Promise<string> => cluster.createPod(GOVERNED, `outside-${++tries}`, 'us-east-1');
    expect(await eventually(() => outside().then((refusal) => refusal !== '' && refusal))).toContain(`allows regions ${INSIDE}`);
    expect(await cluster.createPod(GOVERNED, 'inside', INSIDE)).toBe('');
    await cluster.runs(GOVERNED, 'inside');
  });
});
