import { REGION_LABEL } from '@fso/shared/api';
import type { NodeSelectorTerm } from '@fso/shared/residency';
import { injectRegions, type PodTemplate } from '@fso/shared/risk';
import type { TemplateAnswer } from '../probe/index.ts';
import type { DeniedNamespace } from './denied-namespace.ts';
import { type JudgeInput, judgeOwner, judgeSource, MAX_SOURCES, type OwnerJudgement } from './judge-namespace.ts';
import type { OwnerTemplates, TemplateSource } from './next-templates.ts';
import { hasDryRun, targetKey } from './template-targets.ts';

type Terms = readonly (NodeSelectorTerm | null)[];

const termsOf = (template: PodTemplate | undefined): Terms =>
  template?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];

const namesRegion = (term: NodeSelectorTerm | null | undefined): boolean =>
  (term?.matchExpressions ?? []).some(({ key }) => key === REGION_LABEL);

/**
 * Removes what placement injection added to a pod: the last requirement of each term whose template
 * does not mention the region.
 */
const withoutInjected = (pod: PodTemplate, injected: readonly string[], template: PodTemplate): PodTemplate => {
  const own = termsOf(template);
  const isInjected = (term: NodeSelectorTerm | null, index: number): boolean => {
    const last = term?.matchExpressions?.at(-1);
    return last?.key === REGION_LABEL && last.operator === 'In' && last.values?.join() === injected.join() && !namesRegion(own[index]);
  };
  const terms = termsOf(pod);
  if (injected.length === 0 || !terms.some(isInjected)) return pod;
  const nodeSelectorTerms = terms.flatMap((term, index) => {
    if (term === null || !isInjected(term, index)) return term ?? {};
    const matchExpressions = term.matchExpressions?.slice(0, -1) ?? [];
    return matchExpressions.length + (term.matchFields?.length ?? 0) === 0 ? [] : { ...term, matchExpressions };
  });
  const { affinity: _injected, ...rest } = pod;
  if (nodeSelectorTerms.length === 0) return rest;
  return { ...rest, affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } };
};

/** Whether every pod that one rule admits is admitted by the other too. */
const admitsAll = (one: DeniedNamespace, other: DeniedNamespace): boolean =>
  one.deny.regions.every((region) => other.deny.regions.includes(region)) && (one.injected.length === 0 || other.injected.length > 0);

/** Source of pods, judged under two rules. */
interface Replayed {
  readonly before: JudgeInput;
  readonly after: JudgeInput;
  readonly owner: OwnerTemplates;
  readonly source: TemplateSource;
}

/**
 * Predicts the answer of a dry run under the rules of `after`.
 *
 * @returns null: the pod equals its template, as far as known; undefined: webhooks change it in an
 * unknown way
 */
const replayAnswer = (said: TemplateAnswer, replayed: Replayed): TemplateAnswer | null | undefined => {
  switch (said.kind) {
    case 'unanswered':
      return null;
    case 'refused':
      return replayRefusal(said, replayed);
    case 'admitted':
      return said.template === undefined ? replayUnseen(said, replayed) : replayPod(said.template, replayed);
  }
};

const replayRefusal = (said: TemplateAnswer, { before, after, owner, source }: Replayed): TemplateAnswer | null | undefined => {
  if (judgeSource(before, owner, source)?.risk === 'Refused') return null;
  return admitsAll(after.denied, before.denied) ? said : undefined;
};

/** Predicts the answer for a pod that was admitted, and of which nothing else is known. */
const replayUnseen = (said: TemplateAnswer, { before, after }: Replayed): TemplateAnswer | undefined =>
  admitsAll(before.denied, after.denied) ? said : undefined;

const replayPod = (pod: PodTemplate, { before, after, source: { template } }: Replayed): TemplateAnswer | undefined => {
  const { injected } = before.denied;
  if (template === undefined && injected.length > 0) return undefined;
  return { kind: 'admitted', template: injectRegions(withoutInjected(pod, injected, template ?? {}), after.denied.injected) };
};

/**
 * Judges the next pods of an owner under rules that are not in force. Dry runs show the pods under
 * the present rules, so the injected placement of these is removed and that of the other rules is
 * added.
 *
 * @param before undefined: no policy denies there now, so there are no dry runs
 */
export const judgeUnder = (after: JudgeInput, before: JudgeInput | undefined, owner: OwnerTemplates): OwnerJudgement => {
  const replays = new Map<string, TemplateAnswer>();
  let isUnknown = false;
  for (const source of owner.sources.slice(0, MAX_SOURCES).filter(hasDryRun)) {
    if (before === undefined) continue;
    const key = targetKey(after.denied.namespace, source);
    const said = before.answer(key);
    // Changes by webhooks are unknown until a dry run has shown the pod.
    const replayed = said && replayAnswer(said, { before, after, owner, source });
    if (replayed === undefined) isUnknown = true;
    else if (replayed !== null) replays.set(key, replayed);
  }
  const judged = judgeOwner({ ...after, answer: (key) => replays.get(key) }, owner);
  return isUnknown ? { ...judged, isUnjudged: true } : judged;
};
