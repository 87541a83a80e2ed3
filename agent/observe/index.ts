export { AuditComparison, type AuditFacts, auditOfPolicy } from './audit.ts';
export { EventSink, type PolicyEvent } from './event-sink.ts';
export { MalformedLog } from './malformed-log.ts';
export { NamespaceLabelCache, type NamespaceLabels } from './namespace-labels.ts';
export { DisputedNodes, NodeMoves, reportDisputed, reportMoves } from './node-moves.ts';
export {
  type AcceptedPolicies,
  type AgentSnapshot,
  type ClusterFacts,
  LiveObservatory,
  type Observatory,
  type PolicySnapshot,
  type RevisionSnapshot,
  type StreamFacts,
} from './observatory.ts';
export { locatedFrame, locatePods } from './processing.ts';
export { isFinished, NAMED_PER_NAMESPACE, runningOutside } from './stray-pods.ts';
export {
  type ForeignChange,
  foreignManager,
  NEVER_TAMPERED,
  type Tampering,
  TamperLog,
  tamperedCondition,
  traceOf,
  traceText,
} from './tampering.ts';
export { createViolationTimeStore, type ViolationTimeStore } from './violation-times.ts';
export { type FoundViolation, type NamespaceViolations, NO_VIOLATIONS, type PolicyViolations, ViolationFinder } from './violations.ts';
