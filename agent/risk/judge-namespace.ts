import type { Risk } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { schedulableRegions } from '@fso/shared/residency';
import { injectRegions, judgeTemplate, type NodeFacts, type TemplateJudgement } from '@fso/shared/risk';
import { truncate, weakMemo } from '@fso/shared/runtime';
import type { TemplateAnswer, TemplateTarget } from '../probe/index.ts';
import type { DeniedNamespace } from './denied-namespace.ts';
import { nextTemplates, type OwnerTemplates, type TemplateSource } from './next-templates.ts';
import type { OwnerSet } from './owners/owner-cache.ts';
import { templatePath } from './owners/owner-kinds.ts';
import { type FoundRisk, type NamespaceRisks, RiskTally } from './sum-risks.ts';
import { hasDryRun, targetKey, targetOf } from './template-targets.ts';

/** Most templates of one owner that are judged, e.g. those of the Jobs of a CronJob. */
export const MAX_SOURCES = 8;
const MAX_TEXT = 512;
const NO_REGIONS: readonly string[] = [];

/** Inputs of the judgement of a namespace. */
export interface JudgeInput {
  readonly denied: DeniedNamespace;
  readonly nodes: readonly NodeFacts[];
  /** Whether the API server can inject placements. */
  readonly injects: boolean;
  /** Result of a dry run of the template's pod; undefined if there is none yet. */
  answer(target: string): TemplateAnswer | undefined;
}

/** Judgement of the next pods of an owner. */
export interface OwnerJudgement {
  /** undefined: not at risk, as far as known. */
  readonly found?: FoundRisk;
  /** Whether only a webhook keeps the pods from being refused. */
  readonly isMended?: true;
  /** Whether some of its templates are not judged, or only in part. */
  readonly isUnjudged?: true;
}

interface JudgedSource {
  readonly judged: TemplateJudgement;
  /** undefined: the template is unknown. */
  readonly byItself: TemplateJudgement | undefined;
  readonly isConfirmed: boolean;
  /** Whether a dry run is still pending. */
  readonly isUntried: boolean;
}

type AtRisk = JudgedSource & { readonly judged: Exclude<TemplateJudgement, { risk: 'None' }> };

/** Whether a template is too large to be kept whole, so that no nodes are searched for it. */
const isCut = ({ template }: TemplateSource): boolean => template?.isCut === true;

/** Judgements by their inputs, kept while the nodes are unchanged. */
const known = weakMemo((_nodes: readonly NodeFacts[]) => new Map<string, WeakMap<object, TemplateJudgement>>());

/** Judges a template as written, once for all owners that share it. */
export const judgeSource = (
  { denied, nodes }: Pick<JudgeInput, 'denied' | 'nodes'>,
  owner: OwnerTemplates,
  { kind, template }: TemplateSource,
): TemplateJudgement | undefined => {
  if (template === undefined) return undefined;
  const { deny, injected } = denied;
  const isDaemonSet = owner.kind === 'DaemonSet';
  const path = templatePath(kind);
  const key = `${isDaemonSet} ${path} ${deny.regions.join()} ${injected.join()}`;
  const judgements = known(nodes).get(key) ?? new WeakMap<object, TemplateJudgement>();
  known(nodes).set(key, judgements);
  const before = judgements.get(template);
  if (before !== undefined) return before;
  const judged = judgeTemplate({ template, isDaemonSet, path, regions: deny.regions, injected, nodes });
  judgements.set(template, judged);
  return judged;
};

/** @returns undefined if the template is unknown and no dry run has shown its pods */
const judgeByAnswer = (input: JudgeInput, owner: OwnerTemplates, source: TemplateSource): JudgedSource | undefined => {
  const said = hasDryRun(source) ? input.answer(targetKey(input.denied.namespace, source)) : undefined;
  const byItself = judgeSource(input, owner, source);
  if (said === undefined || said.kind === 'unanswered')
    return byItself && { judged: byItself, byItself, isConfirmed: false, isUntried: said === undefined && hasDryRun(source) };
  const judged = said.kind === 'refused' ? refusedByLock(said.violation, byItself) : judgeAdmitted(input, { said, byItself, source });
  return { judged, byItself, isConfirmed: true, isUntried: false };
};

interface Admitted {
  readonly said: Extract<TemplateAnswer, { kind: 'admitted' }>;
  readonly byItself: TemplateJudgement | undefined;
  readonly source: TemplateSource;
}

/** Judges an admitted pod with the changes by webhooks, including injection. */
const judgeAdmitted = (
  { denied, nodes }: Pick<JudgeInput, 'denied' | 'nodes'>,
  { said: { template }, byItself, source }: Admitted,
): TemplateJudgement => {
  if (template === undefined) return byItself === undefined || byItself.risk === 'Refused' ? { risk: 'None' } : byItself;
  const { regions } = denied.deny;
  return judgeTemplate({ template, isDaemonSet: false, path: templatePath(source.kind), regions, injected: NO_REGIONS, nodes });
};

const SPOILED = 'the template is fine, and a webhook or another part of admission changes its pods: see the MutatingWebhookConfigurations';

/** Judges a pod that a lock refused, because of its template or of a webhook's change. */
const refusedByLock = (violation: string, byItself: TemplateJudgement | undefined): TemplateJudgement => ({
  risk: 'Refused',
  reason: violation,
  fix: byItself?.risk === 'Refused' ? byItself.fix : SPOILED,
});

/** Judges the next pods of an owner by its templates and the results of dry runs. */
export const judgeOwner = (input: JudgeInput, owner: OwnerTemplates): OwnerJudgement => {
  const sources = owner.sources.slice(0, MAX_SOURCES);
  const judged = sources.map((source) => judgeByAnswer(input, owner, source)).filter((one) => one !== undefined);
  const worst = worstOf(judged);
  if (worst !== undefined) return { found: foundOf(input, owner, worst) };
  return {
    ...((judged.length < owner.sources.length || sources.some(isCut)) && { isUnjudged: true }),
    ...(judged.some(({ byItself }) => byItself?.risk === 'Refused') && { isMended: true }),
  };
};

/**
 * Picks the source at the greatest risk, preferring one with a dry run; undefined if none is at
 * risk.
 */
const worstOf = (judged: readonly JudgedSource[]): AtRisk | undefined => {
  const atRisk = judged.filter((each): each is AtRisk => each.judged.risk !== 'None');
  const refused = atRisk.filter(({ judged: { risk } }) => risk === 'Refused');
  return refused.find(({ isUntried }) => !isUntried) ?? refused[0] ?? atRisk[0];
};

const foundOf = (input: JudgeInput, owner: OwnerTemplates, worst: AtRisk): FoundRisk => {
  const { denied } = input;
  const { isConfirmed, isUntried, judged, byItself } = worst;
  const { risk, reason, fix, nodes } = judged;
  const proposal = byItself?.risk === 'Refused' && isFixedByInjection(input, owner) ? INJECTION : '';
  const value: Risk = {
    risk,
    kind: owner.kind,
    namespace: denied.namespace,
    name: owner.owner.metadata.name,
    reason: truncate(reason, MAX_TEXT),
    fix: `${truncate(fix, MAX_TEXT - proposal.length)}${proposal}`,
    confirmation: isConfirmed ? 'Confirmed' : 'Unconfirmed',
    ...(nodes !== undefined && { nodes }),
    ...(owner.lastSeen !== undefined && { lastSeen: owner.lastSeen }),
  };
  const policies = risk === 'Refused' ? refusing(denied, owner.sources) : denied.deny.policies;
  return { risk: value, policies, isUntried };
};

const INJECTION = '; or set placementInjection: true in the policy, which mends all pods of this owner';

/**
 * Whether placement injection, which the namespace does not have, would leave none of the owner's
 * next pods at risk.
 */
const isFixedByInjection = ({ denied, nodes, injects }: JudgeInput, owner: OwnerTemplates): boolean => {
  const { deny, injected } = denied;
  if (!injects || injected.length > 0 || deny.regions.length === 0 || owner.sources.length > MAX_SOURCES) return false;
  const withInjection = { denied: { ...denied, injected: deny.regions }, nodes };
  return owner.sources.every((source) => !isCut(source) && judgeSource(withInjection, owner, source)?.risk === 'None');
};

const setOf = weakMemo((regions: readonly string[]): ReadonlySet<string> => new Set(regions));

/** Picks the policies whose own regions refuse the pods; all policies if that cannot be decided. */
const refusing = ({ deny, injected, regions }: DeniedNamespace, sources: readonly TemplateSource[]): readonly string[] => {
  if (deny.policies.length === 1) return deny.policies;
  const asked = sources
    .slice(0, MAX_SOURCES)
    .flatMap(({ template }) => (template === undefined ? [] : { regions: schedulableRegions(injectRegions(template, injected)) }));
  const named = deny.policies.filter((_policy, index) => {
    const allowed = setOf(regions[index] ?? deny.regions);
    return asked.some((each) => each.regions === undefined || !each.regions.every((region) => allowed.has(region)));
  });
  return named.length > 0 ? named : deny.policies;
};

/** Largest number of nodes and policies that the templates of an owner are compared with. */
export const judgingCost = ({ denied, nodes }: Pick<JudgeInput, 'denied' | 'nodes'>, { sources }: OwnerTemplates): number =>
  Math.min(sources.length, MAX_SOURCES) * (1 + nodes.length + denied.deny.policies.length);

/** Most owners that are judged in a namespace. A tenant may create any number. */
export const MAX_JUDGED = 1_000;

/** Templates to try by dry runs, by key. */
export type Targets = ReadonlyMap<string, TemplateTarget>;

/** Owners of a namespace that are judged, and the number of the others. */
export interface JudgedOwners {
  readonly owners: readonly OwnerTemplates[];
  readonly omitted: number;
}

/** Templates of the owners of a namespace. Memoized by identity. */
const templatesOf: (owners: OwnerSet) => readonly OwnerTemplates[] = weakMemo((owners) =>
  nextTemplates(new Map([...owners].map(([kind, named]) => [kind, [...named.values()]]))).toSorted((a, b) =>
    byText(`${a.kind}/${a.owner.metadata.name}`, `${b.kind}/${b.owner.metadata.name}`),
  ),
);

/**
 * Selects the owners that are judged, and counts those beyond the limit.
 *
 * @param shapes owners of which no object may exist now
 */
export const judgedOwners = (owners: OwnerSet, shapes: ShapeSource): JudgedOwners => {
  const present = templatesOf(owners);
  const gone = shapes.apartFrom(present);
  return {
    owners: [...present.slice(0, MAX_JUDGED), ...gone.slice(0, MAX_JUDGED)],
    omitted: Math.max(0, present.length - MAX_JUDGED) + Math.max(0, gone.length - MAX_JUDGED),
  };
};

/** Shapes of a namespace. */
export interface ShapeSource {
  /** Lists the shapes that belong to none of the owners, most recently seen first. */
  apartFrom(owners: readonly OwnerTemplates[]): readonly OwnerTemplates[];
}

/** Finds the templates to probe by dry runs, one owner per step. */
export function* targetsOf(
  input: JudgeInput,
  owners: readonly OwnerTemplates[],
  { webhooks, before }: { readonly webhooks: string; readonly before: Targets },
): Generator<void, Targets> {
  const targets = new Map<string, TemplateTarget>();
  for (const owner of owners) {
    for (const source of owner.sources.slice(0, MAX_SOURCES).filter(hasDryRun)) {
      const key = targetKey(input.denied.namespace, source);
      const isRefused = judgeSource(input, owner, source)?.risk === 'Refused';
      targets.set(key, targetOf(input.denied, owner, source, { webhooks, isRefused, before: before.get(key) }));
    }
    yield;
  }
  return targets;
}

/** Judges owners, one per step. */
export function* judgeOwners(input: JudgeInput, { owners, omitted }: JudgedOwners): Generator<void, NamespaceRisks> {
  const tallies = new Map(input.denied.deny.policies.map((policy) => [policy, new RiskTally()]));
  const refused: FoundRisk[] = [];
  let unjudged = omitted;
  for (const owner of owners) {
    const judged = judgeOwner(input, owner);
    count(judged, tallies);
    if (judged.found?.risk.risk === 'Refused') refused.push(judged.found);
    if (judged.isUnjudged) unjudged += 1;
    yield;
  }
  return { policies: new Map([...tallies].map(([policy, tally]) => [policy, tally.risks])), refused, unjudged };
}

const count = ({ found, isMended }: OwnerJudgement, tallies: ReadonlyMap<string, RiskTally>): void => {
  if (found !== undefined) for (const policy of found.policies) tallies.get(policy)?.add(found);
  if (isMended) for (const tally of tallies.values()) tally.addMended();
};
