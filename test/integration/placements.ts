import { REGION_LABEL } from '@fso/shared/api';
import type { PlacementSpec } from '@fso/shared/residency';
import fc from 'fast-check';

const region: fc.Arbitrary<string> = fc.constantFrom('eu-central-1', 'eu-west-1', 'us-east-1', 'us-west-2');
const key = fc.oneof({ weight: 5, arbitrary: fc.constant(REGION_LABEL) }, { weight: 1, arbitrary: fc.constant('disk') });

const expression = fc.oneof(
  { weight: 6, arbitrary: fc.record({ key, operator: fc.constant('In'), values: fc.uniqueArray(region, { minLength: 1, maxLength: 3 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({ key, operator: fc.constant('NotIn'), values: fc.uniqueArray(region, { minLength: 1, maxLength: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ key, operator: fc.constantFrom('Exists', 'DoesNotExist') }) },
  { weight: 1, arbitrary: fc.record({ key, operator: fc.constantFrom('Gt', 'Lt'), values: fc.constant<string[]>(['5']) }) },
);

const field = fc.record({ key: fc.constant('metadata.name'), operator: fc.constant('In'), values: fc.constant<string[]>(['eu-west-1-a']) });

const term = fc.record(
  { matchExpressions: fc.array(expression, { maxLength: 3 }), matchFields: fc.array(field, { maxLength: 1 }) },
  { requiredKeys: [] },
);

const affinity = fc.array(term, { minLength: 1, maxLength: 3 }).map((nodeSelectorTerms) => ({
  nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } },
}));

const nodeSelector = fc.oneof(
  region.map((value): Record<string, string> => ({ [REGION_LABEL]: value })),
  fc.constant<Record<string, string>>({ disk: 'ssd' }),
);

/** Placements that the API server accepts, with few regions, so that terms overlap. */
export const anyPlacement = fc.oneof(
  { weight: 4, arbitrary: fc.record({ affinity }) },
  { weight: 2, arbitrary: fc.record({ affinity, nodeSelector }) },
  { weight: 1, arbitrary: fc.record({ nodeSelector }) },
) as fc.Arbitrary<PlacementSpec>;
