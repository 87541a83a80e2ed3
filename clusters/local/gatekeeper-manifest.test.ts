import { expect, it } from 'vitest';
import { collectionPath, parseManifest } from './api.ts';
import { gatekeeperObjects } from './gatekeeper-manifest.ts';

const MANIFEST = `apiVersion: v1
kind: Namespace
metadata: {name: gatekeeper-system}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: gatekeeper-audit, namespace: gatekeeper-system}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: gatekeeper-validating-webhook-configuration}
webhooks:
  - name: validation.gatekeeper.sh
    failurePolicy: Ignore
    clientConfig: {service: {name: gatekeeper-webhook-service, namespace: gatekeeper-system, path: /v1/admit}}
`;

it('points the webhooks at the process and keeps the rest of them', () => {
  const { webhooks, namespaces, definitions } = gatekeeperObjects(parseManifest(MANIFEST), 4711, 'authority');
  expect(webhooks[0]?.['webhooks']).toEqual([
    {
      name: 'validation.gatekeeper.sh',
      failurePolicy: 'Ignore',
      clientConfig: { url: 'https://127.0.0.1:4711/v1/admit', caBundle: Buffer.from('authority').toString('base64') },
    },
  ]);
  expect([namespaces.length, definitions.length]).toEqual([1, 0]);
});

it.each([
  ['v1', 'Namespace', undefined, '/api/v1/namespaces'],
  ['networking.k8s.io/v1', 'NetworkPolicy', 'x', '/apis/networking.k8s.io/v1/namespaces/x/networkpolicies'],
  ['node.k8s.io/v1', 'RuntimeClass', undefined, '/apis/node.k8s.io/v1/runtimeclasses'],
])('finds the path of %s %s', (apiVersion, kind, namespace, path) => {
  expect(collectionPath({ apiVersion, kind, metadata: { name: 'a', ...(namespace && { namespace }) } })).toBe(path);
});
