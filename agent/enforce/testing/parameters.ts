import type { FloorParameters } from '@fso/shared/api';
import { planFloorParameters } from '../floor/floor-parameters.ts';
import type { ListedNode } from '../floor/node-list.ts';
import { planGovernance } from '../governance.ts';
import { type NamespaceInput, NO_EXCEPTIONS, type NodeExceptions, type PolicyInput } from '../types.ts';
import { NOW } from './policies.ts';

/** Inputs of the parameters of lock 1; what is left out is empty. */
export interface ParameterRound {
  readonly policies?: readonly PolicyInput[];
  readonly namespaces?: readonly NamespaceInput[];
  readonly nodes?: readonly ListedNode[];
  readonly exceptions?: Partial<NodeExceptions>;
  readonly observed?: readonly FloorParameters[];
  readonly bindGate?: 'label' | 'list';
  readonly renewedAt?: string | undefined;
}

type Planned = ReturnType<typeof planFloorParameters>;

/** Plans the parameters of lock 1. */
export const planParameters = ({
  policies = [],
  namespaces = [],
  nodes = [],
  observed = [],
  bindGate = 'label',
  exceptions,
  renewedAt,
}: ParameterRound): Planned =>
  planFloorParameters({
    governance: planGovernance(policies, namespaces, NOW),
    nodes,
    exceptions: { ...NO_EXCEPTIONS, ...exceptions },
    observed,
    bindGate,
    renewedAt,
  });

/** The objects as the API server returns them. */
export const appliedParameters = ({ actions }: Planned): FloorParameters[] =>
  actions.flatMap((action) => (action.type === 'apply' ? [JSON.parse(JSON.stringify(action.body)) as FloorParameters] : []));
