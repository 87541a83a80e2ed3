import { decideResidency, violationMessage } from '@fso/shared/residency';
import type { GoOracle } from './pipe.ts';
import type { Implementation, OracleCase } from './types.ts';

type Decide = typeof decideResidency;

const textOf = ({ governed, pod }: OracleCase, decide: Decide): string | undefined => {
  const decision = decide(pod, governed.regions);
  return decision.admitted ? undefined : violationMessage({ ...governed, ...decision });
};

/** The expected text of every implementation: that of shared/residency. */
export const expectedText = (asked: OracleCase): string | undefined => textOf(asked, decideResidency);

/** @param decide a faulty decision instead of shared/residency's, which the oracle must find */
export const typescript = (decide: Decide = decideResidency): Implementation => ({
  name: 'TypeScript',
  answers: async (cases) => cases.map((asked) => textOf(asked, decide)),
});

/** A user's request to create the pod, as Gatekeeper's webhook passes it to the template. */
const regoInput = ({ governed, pod }: OracleCase) => {
  const { namespace, policies, regions } = governed;
  return {
    review: {
      operation: 'CREATE',
      kind: { group: '', version: 'v1', kind: 'Pod' },
      name: 'probe',
      namespace,
      userInfo: { username: 'developer', groups: ['system:authenticated'] },
      object: {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'probe', namespace },
        spec: { containers: [{ name: 'main', image: 'example.com/none' }], ...pod },
      },
      oldObject: null,
    },
    parameters: { regions, policies: policies.map((name) => `${name} ${namespace}`) },
  };
};

export const rego = (oracle: GoOracle): Implementation => ({
  name: 'Rego',
  answers: async (cases) => {
    const messages = await oracle.rego(cases.map(regoInput));
    // More than one violation is a fault too, and shows as another text.
    return messages.map((list) => (list.length === 0 ? undefined : list.join(' | ')));
  },
});
