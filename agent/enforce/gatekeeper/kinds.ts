import type { FloorAction } from '@fso/shared/api';
import type { ConstraintTemplate, K8sGeoResidency } from '@fso/shared/kube';

/** A policy that a constraint enforces: its key and its targetNamespace. */
export interface ConstraintEntry {
  readonly name: string;
  readonly pattern: string;
}

/** Action that a constraint takes only at some enforcement points of Gatekeeper. */
export interface ScopedEnforcementAction {
  readonly action: FloorAction;
  readonly enforcementPoints: readonly { readonly name: string }[];
}

/**
 * The spec of a K8sGeoResidency as this system writes it. A spec read from the cluster may lack any
 * field.
 */
export interface ConstraintSpec {
  readonly enforcementAction?: string;
  readonly scopedEnforcementActions?: readonly ScopedEnforcementAction[];
  readonly match?: {
    readonly kinds?: readonly { readonly apiGroups: readonly string[]; readonly kinds: readonly string[] }[];
    readonly namespaces?: readonly string[];
    readonly excludedNamespaces?: readonly string[];
    readonly labelSelector?: { readonly matchLabels: Readonly<Record<string, string>> };
  };
  readonly parameters?: {
    readonly regions?: readonly string[];
    /** Texts of the entries: name, a space, pattern. */
    readonly policies?: readonly string[];
    readonly trustedBinders?: readonly string[];
    readonly disputedNodes?: readonly string[];
    readonly disputedRegions?: readonly string[];
    readonly zones?: readonly string[];
  };
}

/** Constraint of lock 2, of the kind that the template defines. */
export type Constraint = K8sGeoResidency;
/** ConstraintTemplate of lock 2, which defines the kind of its constraints. */
export type Template = ConstraintTemplate;
