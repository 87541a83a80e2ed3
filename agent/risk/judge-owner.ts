import type { Risk } from '@fso/shared/api';
import { judgeTemplate, type NodeFacts, refusalOf, type TemplateJudgement } from '@fso/shared/risk';
import { truncate, weakMemo } from '@fso/shared/runtime';
import type { TemplateAnswer } from '../probe/index.ts';
import type { DeniedNamespace } from './denied-namespace.ts';
import type { OwnerTemplates, TemplateSource } from './next-templates.ts';
import { templatePath } from './owners/owner-kinds.ts';
import type { FoundRisk } from './sum-risks.ts';
import { isAsked, targetKey } from './template-targets.ts';

/** Templates of one owner that are judged, such as of the Jobs of a CronJob. */
export const MAX_SOURCES = 8;
const MAX_TEXT = 512;
const NO_REGIONS: readonly string[] = [];

/** Inputs of the judgement of a namespace. */
export interface JudgeInput {
  readonly denied: DeniedNamespace;
  readonly nodes: readonly NodeFacts[];
  /** Whether the API server can inject placements. */
  readonly injects: boolean;
  /** Returns what a dry run of a template's pod showed; undefined: none has shown anything yet. */
  answer(target: string): TemplateAnswer | undefined;
}

/** Outcome for the next pods of an owner. */
export interface OwnerJudgement {
  /** Undefined: it is not at risk, as far as is known. */
  readonly found?: FoundRisk;
  /** Whether only a webhook keeps its pods from being refused. */
  readonly isMended?: true;
  /** Whether not all of its templates are judged whole. */
  readonly isUnjudged?: true;
}

interface JudgedSource {
  readonly judged: TemplateJudgement;
  /** Undefined: its template is not known. */
  readonly byItself: TemplateJudgement | undefined;
  readonly isConfirmed: boolean;
  /** Whether a dry run is still to come. */
  readonly isUntried: boolean;
}

type AtRisk = JudgedSource & { readonly judged: Exclude<TemplateJudgement, { risk: 'None' }> };

/** Whether a template has more than is kept of it, so that its nodes are not looked for. */
const isCut = ({ template }: TemplateSource): boolean => template?.isCut === true;

/** Judgements by the question, for as long as the nodes are the same. */
const known = weakMemo((_nodes: readonly NodeFacts[]) => new Map<string, WeakMap<object, TemplateJudgement>>());

/** Judges a template by itself, once for all owners that have it. */
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

/** @returns undefined: its template is not known, and no dry run has shown its pods */
const judgeByAnswer = (input: JudgeInput, owner: OwnerTemplates, source: TemplateSource): JudgedSource | undefined => {
  const said = isAsked(source) ? input.answer(targetKey(input.denied.namespace, source)) : undefined;
  const byItself = judgeSource(input, owner, source);
  if (said === undefined || said.kind === 'unanswered')
    return byItself && { judged: byItself, byItself, isConfirmed: false, isUntried: said === undefined && isAsked(source) };
  const judged = said.kind === 'refused' ? refusedByLock(said.violation, byItself) : judgeAdmitted(input, { said, byItself, source });
  return { judged, byItself, isConfirmed: true, isUntried: false };
};

interface Admitted {
  readonly said: Extract<TemplateAnswer, { kind: 'admitted' }>;
  readonly byItself: TemplateJudgement | undefined;
  readonly source: TemplateSource;
}

/** Judges a pod that was admitted, as the webhooks left it, injection among them. */
const judgeAdmitted = (
  { denied, nodes }: Pick<JudgeInput, 'denied' | 'nodes'>,
  { said: { template }, byItself, source }: Admitted,
): TemplateJudgement => {
  if (template === undefined) return byItself === undefined || byItself.risk === 'Refused' ? { risk: 'None' } : byItself;
  const { regions } = denied.deny;
  return judgeTemplate({ template, isDaemonSet: false, path: templatePath(source.kind), regions, injected: NO_REGIONS, nodes });
};

const SPOILED = 'the template is fine, and a webhook or another part of admission changes its pods: see the MutatingWebhookConfigurations';

/** Judges a pod that a lock refused: its template is at fault, or a webhook spoils it. */
const refusedByLock = (violation: string, byItself: TemplateJudgement | undefined): TemplateJudgement => ({
  risk: 'Refused',
  reason: violation,
  fix: byItself?.risk === 'Refused' ? byItself.fix : SPOILED,
});

/** Judges the next pods of an owner by its templates and what dry runs showed. */
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

/** The source at the greatest risk, of equal ones the one that was tried; undefined: none is. */
const worstOf = (judged: readonly JudgedSource[]): AtRisk | undefined => {
  const atRisk = judged.filter((each): each is AtRisk => each.judged.risk !== 'None');
  const refused = atRisk.filter(({ judged: { risk } }) => risk === 'Refused');
  return refused.find(({ isUntried }) => !isUntried) ?? refused[0] ?? atRisk[0];
};

const foundOf = (input: JudgeInput, owner: OwnerTemplates, worst: AtRisk): FoundRisk => {
  const { denied } = input;
  const { isConfirmed, isUntried, judged, byItself } = worst;
  const { risk, reason, fix, nodes } = judged;
  const proposal = byItself?.risk === 'Refused' && mendsByInjection(input, owner) ? INJECTION : '';
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
const mendsByInjection = ({ denied, nodes, injects }: JudgeInput, owner: OwnerTemplates): boolean => {
  const { deny, injected } = denied;
  if (!injects || injected.length > 0 || deny.regions.length === 0 || owner.sources.length > MAX_SOURCES) return false;
  const withInjection = { denied: { ...denied, injected: deny.regions }, nodes };
  return owner.sources.every((source) => !isCut(source) && judgeSource(withInjection, owner, source)?.risk === 'None');
};

/** The policies whose own regions refuse the pods; all, where that is not to be told apart. */
const refusing = ({ deny, injected, regions }: DeniedNamespace, sources: readonly TemplateSource[]): readonly string[] => {
  if (deny.policies.length === 1) return deny.policies;
  const named = deny.policies.filter((_policy, index) =>
    sources.some(({ template }) => template !== undefined && refusalOf(template, injected, regions[index] ?? deny.regions) !== undefined),
  );
  return named.length > 0 ? named : deny.policies;
};
