import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { KubeObject } from '@fso/shared/api';
import type { KindDescriptor, KubeClient, Pod } from '@fso/shared/kube';
import { createAuthority, issueCertificate } from '../../clusters/local/pki/certificates.ts';

const KIND: KindDescriptor = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  namespaced: false,
};

interface Review {
  readonly request: { readonly uid: string; readonly object: Pod };
}

/**
 * Serves a webhook that replaces the node selector of new pods, and registers it.
 *
 * @param selectorFor returns the node selector of a pod; undefined leaves the pod unchanged
 * @returns function that stops the server
 */
export const startMutatingWebhook = async (
  client: KubeClient,
  selectorFor: (pod: Pod) => Readonly<Record<string, string>> | undefined,
  signal: AbortSignal,
): Promise<() => Promise<void>> => {
  const authority = await createAuthority('webhook');
  const { certificate: cert, key } = await issueCertificate(authority, {
    commonName: 'webhook',
    serverNames: { dns: ['localhost'], ip: ['127.0.0.1'] },
  });
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { uid, object } = (JSON.parse(await text(request)) as Review).request;
    const selector = selectorFor(object);
    const patch = selector && Buffer.from(JSON.stringify([{ op: 'add', path: '/spec/nodeSelector', value: selector }])).toString('base64');
    const review = { uid, allowed: true, ...(patch && { patchType: 'JSONPatch', patch }) };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: review }));
  };
  const server = createServer({ cert, key }, (request, response) => {
    // The API server has timed out or ended.
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const webhook = {
    name: 'selectors.example.com',
    clientConfig: { url: `https://127.0.0.1:${port}/`, caBundle: Buffer.from(authority.certificate).toString('base64') },
    rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    failurePolicy: 'Fail',
  };
  await client.create(KIND, { metadata: { name: 'selectors' }, webhooks: [webhook] } as KubeObject, {}, signal);
  return () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
};
