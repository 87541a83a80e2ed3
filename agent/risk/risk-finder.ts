import type { PolicyRisks, Risk } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { judgeTemplate, type NodeFacts, refusalOf, type TemplateJudgement } from '@fso/shared/risk';
import { sameItems, truncate, weakMemo } from '@fso/shared/runtime';
import { isSameMap } from '../compare.ts';
import type { Governance, NamespaceGovernance } from '../enforce/index.ts';
import type { TemplateAnswer, TemplateTarget } from '../probe/index.ts';
import { nextTemplates, type OwnerTemplates, type TemplateSource } from './next-templates.ts';
import type { OwnerSet } from './owner-cache.ts';
import { type Owner, ownerDescriptor, templatePath } from './owner-kinds.ts';
import { type FoundRisk, type NamespaceRisks, sumRisks } from './sum-risks.ts';

/** Owners that are judged in a namespace: a tenant may create any number. */
export const MAX_JUDGED = 1_000;
/** Templates of one owner that are judged, such as of the Jobs of a CronJob. */
const MAX_SOURCES = 8;
const MAX_TEXT = 512;

export interface RiskInput {
  readonly governance: Pick<Governance, 'namespaces' | 'policies'>;
  /** Returns the owners of a namespace; the same object for as long as they are the same. */
  ownersIn(namespace: string): OwnerSet;
  /** The same object for as long as the same pods fit on the same nodes. */
  readonly nodes: readonly NodeFacts[];
  /** Whether the API server injects placements where a namespace asks for it. */
  readonly injects: boolean;
  /** Returns what a dry run of a template's pod showed; undefined: it was not asked for yet. */
  answer(target: string): TemplateAnswer | undefined;
}

/** All that was found in a round. */
export interface FoundRisks {
  /** Risks by policy; those that deny nothing are absent. */
  readonly policies: ReadonlyMap<string, PolicyRisks>;
  /** Templates to ask for by dry runs, by key. */
  readonly targets: ReadonlyMap<string, TemplateTarget>;
  /** Owners that are not judged. */
  readonly unjudged: number;
}

const NO_REGIONS: readonly string[] = [];

/** A namespace whose pods a policy refuses outside of some regions. */
interface DeniedNamespace {
  readonly namespace: string;
  readonly deny: NonNullable<NamespaceGovernance['actions']['deny']>;
  readonly injected: readonly string[];
  /** Regions of each denying policy. */
  readonly regionsOf: (policy: string) => readonly string[];
}

const keyOf = (namespace: string, { kind, object }: TemplateSource): string => `${kind}/${namespace}/${object.metadata.name}`;

const CONTROLLERS: Readonly<Record<string, { readonly apiVersion: string; readonly kind: string }>> = {
  Deployment: { apiVersion: 'apps/v1', kind: 'ReplicaSet' },
  ControllerRevision: { apiVersion: 'apps/v1', kind: 'StatefulSet' },
  CronJob: { apiVersion: 'batch/v1', kind: 'Job' },
};

/** Text of the placement of an object's pods. */
const textOf = weakMemo(({ template }: Owner): string => (template === undefined ? '' : JSON.stringify(template)));

const targetOf = (denied: DeniedNamespace, { owner }: OwnerTemplates, { kind, object }: TemplateSource): TemplateTarget => {
  const descriptor = ownerDescriptor(kind);
  const { name, uid, generation = 0 } = object.metadata;
  const { regions, policies } = denied.deny;
  const fingerprint = `${uid} ${regions.join()} ${policies.join()} ${denied.injected.length} ${textOf(object)}`;
  const controller = CONTROLLERS[kind] ?? { apiVersion: descriptor.apiVersion, kind };
  const set = kind === 'ControllerRevision' ? { kind: ownerDescriptor('StatefulSet'), name: owner.metadata.name } : undefined;
  return { kind: descriptor, namespace: denied.namespace, name, controller, fingerprint, version: generation, ...(set && { set }) };
};

/**
 * The pods of a DaemonSet pass at admission only when its controller makes them, so that a dry run
 * of the agent says nothing.
 */
const isAsked = ({ kind }: TemplateSource): boolean => kind !== 'DaemonSet';

/** Whether a template has more than is kept of it, so that its nodes are not looked for. */
const isCut = ({ template }: TemplateSource): boolean => template?.isCut === true;

interface JudgedSource {
  readonly judged: TemplateJudgement;
  readonly isConfirmed: boolean;
  /** Whether only a webhook keeps its pods from being refused. */
  readonly isMended: boolean;
}

type Targets = ReadonlyMap<string, TemplateTarget>;

interface Known<T> {
  /** Inputs that it follows from, compared by identity. */
  readonly inputs: readonly unknown[];
  readonly risks: T;
}

type KnownNamespaces = ReadonlyMap<string, Known<NamespaceRisks> & { readonly targets: Targets }>;

/**
 * Finds the owners whose next pods would be refused or stay pending. What is found in a namespace
 * is remembered by what it follows from.
 */
export class RiskFinder {
  #namespaces: KnownNamespaces = new Map();
  #policies: ReadonlyMap<string, Known<PolicyRisks>> = new Map();
  #targets: ReadonlyMap<string, TemplateTarget> = new Map();

  find(input: RiskInput): FoundRisks {
    const namespaces = new Map(this.#findAll(input));
    this.#namespaces = namespaces;
    const policies = new Map(this.#addUp(input, namespaces));
    this.#policies = policies;
    const targets = new Map([...namespaces.values()].flatMap((each) => [...each.targets]));
    if (!isSameMap(this.#targets, targets)) this.#targets = targets;
    const unjudged = [...namespaces.values()].reduce((sum, { risks }) => sum + risks.unjudged, 0);
    return { policies: new Map([...policies].map(([key, { risks }]) => [key, risks])), targets: this.#targets, unjudged };
  }

  /** The owners of a namespace at risk, as they were found last. */
  foundIn(namespace: string): readonly FoundRisk[] {
    return this.#namespaces.get(namespace)?.risks.found ?? [];
  }

  *#findAll(input: RiskInput) {
    for (const [namespace, governance] of input.governance.namespaces) {
      const denied = deniedNamespace(namespace, governance, input);
      if (denied === undefined) continue;
      const owners = input.ownersIn(namespace);
      const before = this.#namespaces.get(namespace);
      const targets =
        before !== undefined && sameItems(before.inputs.slice(0, 3), [governance, owners, input.injects])
          ? before.targets
          : targetsOf(denied, owners, before?.targets);
      const answers = [...targets.keys()].map((key) => input.answer(key));
      const inputs = [governance, owners, input.injects, input.nodes, ...denied.deny.policies.map(denied.regionsOf), ...answers];
      if (before !== undefined && sameItems(before.inputs, inputs)) yield [namespace, before] as const;
      else yield [namespace, { inputs, risks: judgeNamespace(denied, templatesOf(owners), input), targets }] as const;
    }
  }

  *#addUp({ governance }: RiskInput, namespaces: KnownNamespaces) {
    for (const [policy, outcome] of governance.policies) {
      if (outcome.kind !== 'governing') continue;
      const parts = outcome.namespaces.flatMap((namespace) => {
        const isDenied = governance.namespaces.get(namespace)?.actions.deny?.policies.includes(policy) === true;
        const found = isDenied ? namespaces.get(namespace)?.risks : undefined;
        return found === undefined ? [] : [found];
      });
      if (parts.length === 0) continue;
      const before = this.#policies.get(policy);
      yield [
        policy,
        before !== undefined && sameItems(before.inputs, parts) ? before : { inputs: parts, risks: sumRisks(policy, parts) },
      ] as const;
    }
  }
}

/** Judged once for the owners of a namespace as they are. */
const templatesOf: (owners: OwnerSet) => readonly OwnerTemplates[] = weakMemo((owners) =>
  nextTemplates(new Map([...owners].map(([kind, named]) => [kind, [...named.values()]]))).toSorted((a, b) =>
    byText(`${a.kind}/${a.owner.metadata.name}`, `${b.kind}/${b.owner.metadata.name}`),
  ),
);

const deniedNamespace = (namespace: string, governance: NamespaceGovernance, input: RiskInput): DeniedNamespace | undefined => {
  const { deny } = governance.actions;
  if (deny === undefined) return undefined;
  const regionsOf = (policy: string): readonly string[] => {
    const outcome = input.governance.policies.get(policy);
    return outcome !== undefined && outcome.kind !== 'invalid' ? outcome.regions : deny.regions;
  };
  return { namespace, deny, injected: governance.injection && input.injects ? deny.regions : NO_REGIONS, regionsOf };
};

/** The same target for as long as it asks the same. */
const targetsOf = (denied: DeniedNamespace, owners: OwnerSet, before: Targets | undefined): Targets => {
  const targets = new Map<string, TemplateTarget>();
  for (const each of templatesOf(owners).slice(0, MAX_JUDGED)) {
    for (const source of each.sources.slice(0, MAX_SOURCES).filter(isAsked)) {
      const key = keyOf(denied.namespace, source);
      const target = targetOf(denied, each, source);
      const known = before?.get(key);
      targets.set(key, known?.fingerprint === target.fingerprint && known.version === target.version ? known : target);
    }
  }
  return targets;
};

const countMended = (mended: Map<string, number>, policies: readonly string[]): void => {
  for (const policy of policies) mended.set(policy, (mended.get(policy) ?? 0) + 1);
};

type AtRisk = JudgedSource & { readonly judged: Exclude<TemplateJudgement, { risk: 'None' }> };

/** The source at the greatest risk; undefined: none is. */
const worstOf = (judged: readonly JudgedSource[]): AtRisk | undefined => {
  const atRisk = judged.filter((each): each is AtRisk => each.judged.risk !== 'None');
  return atRisk.find(({ judged: { risk } }) => risk === 'Refused') ?? atRisk[0];
};

const judgeNamespace = (denied: DeniedNamespace, owners: readonly OwnerTemplates[], input: RiskInput): NamespaceRisks => {
  const found: FoundRisk[] = [];
  const mended = new Map<string, number>();
  let unjudged = Math.max(0, owners.length - MAX_JUDGED);
  for (const each of owners.slice(0, MAX_JUDGED)) {
    const sources = each.sources.slice(0, MAX_SOURCES);
    const known = sources.map((source) => judgeSource(denied, each, source, input)).filter((one) => one !== undefined);
    const worst = worstOf(known);
    if (worst !== undefined) {
      found.push(foundOf(denied, each, worst));
      continue;
    }
    if (known.length < each.sources.length || sources.some(isCut)) unjudged += 1;
    if (known.some(({ isMended }) => isMended)) countMended(mended, denied.deny.policies);
  }
  return { found, mended, unjudged };
};

/** @returns undefined: its template is not known, and no dry run has shown its pods */
const judgeSource = (
  denied: DeniedNamespace,
  { kind }: OwnerTemplates,
  source: TemplateSource,
  { nodes, answer }: RiskInput,
): JudgedSource | undefined => {
  const { template } = source;
  const said = isAsked(source) ? answer(keyOf(denied.namespace, source)) : undefined;
  const question = { isDaemonSet: kind === 'DaemonSet', path: templatePath(source.kind), regions: denied.deny.regions, nodes };
  const byItself = template && judgeTemplate({ ...question, template, injected: denied.injected });
  if (said === undefined || said.kind === 'unanswered') return byItself && { judged: byItself, isConfirmed: false, isMended: false };
  if (said.kind === 'refused') return { judged: refusedByLock(said.violation, byItself), isConfirmed: true, isMended: false };
  const isMended = byItself?.risk === 'Refused';
  if (said.template !== undefined) {
    // As the webhooks left it, injection among them.
    const { template: next } = said;
    return { judged: judgeTemplate({ ...question, template: next, injected: NO_REGIONS }), isConfirmed: true, isMended };
  }
  const judged = byItself === undefined || isMended ? ({ risk: 'None' } as const) : byItself;
  return { judged, isConfirmed: true, isMended };
};

const SPOILED = 'the template is fine, and a webhook or another part of admission changes its pods: see the MutatingWebhookConfigurations';

/** Judges a pod that a lock refused: its template is at fault, or a webhook spoils it. */
const refusedByLock = (violation: string, byItself: TemplateJudgement | undefined): TemplateJudgement => ({
  risk: 'Refused',
  reason: violation,
  fix: byItself?.risk === 'Refused' ? byItself.fix : SPOILED,
});

const foundOf = (
  denied: DeniedNamespace,
  { kind, owner, sources }: OwnerTemplates,
  { isConfirmed, judged: { risk, reason, fix, nodes } }: AtRisk,
): FoundRisk => {
  const value: Risk = {
    risk,
    kind,
    namespace: denied.namespace,
    name: owner.metadata.name,
    reason: truncate(reason, MAX_TEXT),
    fix: truncate(fix, MAX_TEXT),
    confirmation: isConfirmed ? 'Confirmed' : 'Unconfirmed',
    ...(nodes !== undefined && { nodes }),
  };
  return { risk: value, policies: risk === 'Refused' ? refusing(denied, sources) : denied.deny.policies };
};

/** The policies whose own regions refuse the pods; all, where that is not to be told apart. */
const refusing = ({ deny, injected, regionsOf }: DeniedNamespace, sources: readonly TemplateSource[]): readonly string[] => {
  if (deny.policies.length === 1) return deny.policies;
  const named = deny.policies.filter((policy) =>
    sources.some(({ template }) => template !== undefined && refusalOf(template, injected, regionsOf(policy)) !== undefined),
  );
  return named.length > 0 ? named : deny.policies;
};
