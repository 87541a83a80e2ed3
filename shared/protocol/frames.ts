import { z } from 'zod';
import {
  AgentClusterReport,
  boundedList,
  ClusterEvent,
  ClusterPreview,
  ClusterProcessing,
  MAX_MESSAGE,
  PolicyKey,
  PolicyReport,
  Region,
  ResourceName,
  RevisionFacts,
} from '../api/index.ts';
import { Baseline, MAX_LISTED } from '../status/index.ts';
import { Approvals } from './approvals.ts';
import { Checkpoint, Hash } from './checkpoint.ts';
import { DeviationGroups } from './deviation-groups.ts';
import { GitObject, ObjectId } from './git-objects.ts';

/**
 * Version of the wire protocol. Hubs and agents of different versions refuse each other at the
 * hello, and the agent goes on enforcing.
 */
export const PROTOCOL_VERSION = 12;
/**
 * Largest frame that a hub accepts from an agent, in bytes. Agents start another frame after 4 MiB
 * of policies; keys and events are added to that. The hub decodes frames in a heap of 192 MiB,
 * where one character beyond Latin-1 doubles the size of the text.
 */
export const MAX_FRAME_BYTES: number = 16 * 1024 * 1024;
/**
 * Largest frame that an agent accepts, in bytes. While an offer is judged, further ones are
 * decoded, each as bytes, text and objects. With this bound, all of it and an agent of a thousand
 * policies fit into 512 MiB. A whole commit within `DEFAULT_WALK_LIMITS` fits into one frame,
 * without the chain that proves its descent.
 */
export const MAX_HUB_FRAME_BYTES: number = 16 * 1024 * 1024;
/** Largest question about a change of policies, in bytes. */
export const MAX_PREVIEW_BYTES: number = 4 * 1024 * 1024;
/** Most audit log entries between two checkpoints in one frame. More take several frames. */
export const MAX_CHECKPOINT_DIGESTS = 10_000;
/** Close codes in addition to RFC 6455. The reason of the close frame has the details. */
export const CLOSE_CODES = { unauthorized: 4401, unsupportedProtocol: 4406, replaced: 4409, badFrame: 4422, tooSlow: 4429 } as const;

/** PostgreSQL cannot store NUL in a text, and a digest contains none. */
const DigestText = z.string().regex(/^[\x21-\x7e]{1,128}$/, 'must be a digest');

const GitObjects = boundedList(GitObject, 50_000);

const Reason = z.strictObject({
  code: z.string().max(64).optional().describe('Why, for programs; see docs/security/signed-commits.md.'),
  path: z.string().max(4096).optional(),
  line: z.int().min(1).optional(),
  column: z.int().min(1).optional(),
  message: z.string().max(MAX_MESSAGE),
});
/** Reason of a refusal, with its place in the repository if it has one. */
export type Reason = z.infer<typeof Reason>;

// agent → hub

/** First frame of an agent on each connection: its commit in force, and what else it has. */
export const Hello = z.strictObject({
  type: z.literal('hello'),
  protocol: z.int(),
  cluster: ResourceName,
  /** Commit that the agent enforces, if any. */
  revision: ObjectId.nullable(),
  /** Commit whose objects the agent holds, so that an offer need not repeat them. */
  holds: ObjectId.nullable(),
  /** Commit in force, from which the next one has to descend. */
  anchor: ObjectId.nullable().default(null),
  /** Newest commit that the agent has verified; absent: equal to `anchor`. */
  verified: ObjectId.optional(),
  agentVersion: z.string().max(64),
  /** Last checkpoint of the audit log that the agent keeps as a witness. */
  checkpoint: Checkpoint.nullable().optional(),
});
/** Acceptance of an offer that the agent enforces. */
const AcceptedRevision = z.strictObject({
  revision: ObjectId,
  digest: DigestText,
  /** Time for which it was held back for its report, in ms. */
  heldMs: z.int().min(0).optional(),
});
/** Commit that an agent enforces, with the digest of what it compiled. */
export type AcceptedRevision = z.infer<typeof AcceptedRevision>;
/** Acceptance of an offered revision, if no report is due that could carry it. */
export const Ack = AcceptedRevision.extend({ type: z.literal('ack') });
/** Refusal of an offered revision. */
export const Nack = z.strictObject({ type: z.literal('nack'), revision: ObjectId, reasons: z.array(Reason).min(1).max(100) });
/**
 * Count and root of the policies that a hub must have by name after a report. If it has others of
 * the hub, nothing of the cluster counts as proven: a report was lost, or the rest of a large one
 * is yet to come.
 */
const NamedTotal = z.strictObject({
  count: z.int().min(0).describe('Policies that are reported by name.'),
  root: Hash.describe('Digest of those of the hub among them; see digestOfNamed.'),
});
/** Count and root of the policies that a hub must have by name. */
export type NamedTotal = z.infer<typeof NamedTotal>;
/**
 * Report of the changes since the previous one, or of everything. Digests cover all fields of the
 * policies: a new field of PolicyReport or Deviation, even an optional one, requires a new version
 * of the protocol.
 */
export const Report = z.strictObject({
  type: z.literal('report'),
  seq: z.int().min(1),
  full: z.boolean().describe('true: `deviations` and `policies` replace all that the hub has by name.'),
  more: z.literal(true).optional().describe('This frame had no room for all: the next one brings the rest, or the next part of it.'),
  baseline: Baseline.nullable().describe(
    'What every policy of the list reads by that is not reported by name; null: the agent has no list.',
  ),
  total: NamedTotal,
  ack: AcceptedRevision.optional().describe('The commit that was accepted since the report before, if any.'),
  cluster: AgentClusterReport.optional().describe('Absent: only its `revision`, or nothing, reads otherwise than before.'),
  revision: RevisionFacts.optional().describe('The part of `cluster` that changed with a commit, where the rest did not.'),
  deviations: DeviationGroups.describe(
    'Policies of the list that deviate from the baseline; `policies` and these are at most as many as one of them may be.',
  ),
  policies: z
    .array(PolicyReport)
    .max(MAX_LISTED)
    .describe('Policies that the list does not have: those that were applied in the cluster, and those of the hub that are still to go.'),
  removed: z.array(PolicyKey).max(MAX_LISTED).describe('Policies that no longer deviate, or are gone.'),
  events: z.array(ClusterEvent).max(1000),
});
export type Report = z.infer<typeof Report>;
/** Frame by which both sides compare their states, once a minute. */
export const Digest = z.strictObject({
  type: z.literal('digest'),
  /**
   * Agent: digest of the policies that it has reported by name, up to `seq`. Hub: digest of the
   * compiled policies that the agent should have at its revision.
   */
  digest: DigestText,
  seq: z.int().min(0),
});

/** Full report of a policy that the hub requested. */
export const Inspected = z.strictObject({
  type: z.literal('inspected'),
  /** Id of the request. */
  id: z.int().min(1),
  report: PolicyReport.nullable().describe('null: the agent does not have the policy.'),
});
export type Inspected = z.infer<typeof Inspected>;

/** Places where pods run, which the hub requested. */
export const Located = z.strictObject({
  type: z.literal('located'),
  /** Id of the request. */
  id: z.int().min(1),
  processing: ClusterProcessing.nullable().describe('null: the agent does not know how its cluster is now.'),
});
export type Located = z.infer<typeof Located>;

/** Policies of a baseline's list, which the hub requested because it does not know the list. */
export const Listed = z.strictObject({
  type: z.literal('listed'),
  list: Hash,
  policies: boundedList(z.tuple([ResourceName, Hash]), MAX_LISTED).describe('Name and digest of each, by name.'),
});
export type Listed = z.infer<typeof Listed>;

/** Effects of a change of policies, which the hub requested. */
export const Previewed = z.strictObject({
  type: z.literal('previewed'),
  /** Id of the request. */
  id: z.int().min(1),
  answer: ClusterPreview,
});
export type Previewed = z.infer<typeof Previewed>;

/** A frame from an agent to the hub. */
export type AgentFrame =
  | z.infer<typeof Hello>
  | z.infer<typeof Ack>
  | z.infer<typeof Nack>
  | Report
  | z.infer<typeof Digest>
  | Inspected
  | Located
  | Previewed
  | Listed;

// hub → agent

/**
 * State of a cluster's reports at the hub. The agent continues from it at any hub instead of
 * sending everything again.
 */
export const ReportedState = z.strictObject({
  /** Sequence number of the last report that was received; 0: none. */
  seq: z.int().min(0),
  /** Digest of the policies reported by name. */
  policies: DigestText,
  /** Digest of the cluster's own facts; null: none reported. */
  cluster: DigestText.nullable(),
  /** Digest of the baseline; null: none reported. */
  baseline: DigestText.nullable(),
});
export type ReportedState = z.infer<typeof ReportedState>;

/** Answer to Hello: the state of the agent's reports at the hub. */
export const Welcome = z.strictObject({
  type: z.literal('welcome'),
  protocol: z.int(),
  hubVersion: z.string().max(64),
  time: z.iso.datetime({ offset: true }),
  reported: ReportedState,
});
/** Commit, with the proof that it descends from one that the agent has. */
const CommitOffer = z.strictObject({
  revision: ObjectId,
  /** Verified commit of the agent at which the chain starts; null: no path leads from one. */
  anchor: ObjectId.nullable(),
  /** Commits after `anchor` up to `revision`, oldest first. Without an anchor only `revision`. */
  chain: z.array(ObjectId).min(1).max(10_000),
  objects: GitObjects,
});
/** Revision to enforce, with the Git objects that the agent lacks. */
export const Offer = CommitOffer.extend({ type: z.literal('offer') });
export type Offer = z.infer<typeof Offer>;
/**
 * Revision whose policies wait for the wave of the cluster, with the Git objects that prove its
 * signature and descent. Its signers count at once.
 */
export const Advance = CommitOffer.extend({ type: z.literal('advance') });
export type Advance = z.infer<typeof Advance>;
/** Acknowledgement of all reports up to `seq`. */
export const Reported = z.strictObject({ type: z.literal('reported'), seq: z.int().min(1) });
/** Requests a full report, because the digests differ. */
export const Resync = z.strictObject({ type: z.literal('resync') });

/** Requests the full report of a policy, which the agent sends at once. */
export const Inspect = z.strictObject({
  type: z.literal('inspect'),
  id: z.int().min(1),
  policy: PolicyKey,
});
export type Inspect = z.infer<typeof Inspect>;

/** Requests the places where the pods of governed namespaces run, which the agent sends at once. */
export const Locate = z.strictObject({ type: z.literal('locate'), id: z.int().min(1) });
export type Locate = z.infer<typeof Locate>;

/**
 * Asks for the effects of a change of policies on the workloads of the cluster. Nothing is
 * enforced.
 */
export const Preview = z.strictObject({
  type: z.literal('preview'),
  id: z.int().min(1),
  list: Hash.nullable().describe('Digest of the list of policies that the change starts from; null: the agent has none.'),
  put: boundedList(z.strictObject({ name: ResourceName, spec: z.unknown() }), 1_000).describe(
    'Policies as they would be, compiled for the cluster; the agent validates their specs.',
  ),
  removed: boundedList(ResourceName, 1_000).describe('Policies that would be gone.'),
  at: z.iso.datetime({ offset: true }).max(64).nullable().describe('Policies that have expired then do not count; null: now.'),
  withoutRegions: boundedList(Region, 100).describe('Regions whose nodes would be gone.'),
});
export type Preview = z.infer<typeof Preview>;

/** Requests the policies of a list that the hub does not know. */
export const List = z.strictObject({ type: z.literal('list'), list: Hash });

/**
 * Checkpoint of the hub's audit log, with the digests of the entries after `after`, which prove
 * that it continues from there.
 */
export const CheckpointFrame = z.strictObject({
  type: z.literal('checkpoint'),
  checkpoint: Checkpoint,
  /** Sequence number that precedes the digests; 0: the beginning. */
  after: z.int().min(0),
  digests: z.array(Hash).max(MAX_CHECKPOINT_DIGESTS),
});
export type CheckpointFrame = z.infer<typeof CheckpointFrame>;

/** A frame from the hub to an agent. */
export const HubFrame = z.discriminatedUnion('type', [
  Welcome,
  Offer,
  Advance,
  Approvals,
  Reported,
  Digest,
  Resync,
  Inspect,
  Locate,
  Preview,
  List,
  CheckpointFrame,
]);
export type HubFrame = z.infer<typeof HubFrame>;
