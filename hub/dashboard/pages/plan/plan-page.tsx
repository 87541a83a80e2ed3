import type { PolicySourceView } from '@fso/shared/api';
import { Alert, Button, Content, Flex, Form, FormGroup, Grid, GridItem, TextArea, TextInput } from '@patternfly/react-core';
import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { type RefObject, type SubmitEvent, useId, useRef, useState } from 'react';
import { policiesQuery, policySourceQuery } from '../../api/queries.ts';
import { useScope } from '../../api/session.ts';
import { QueryView } from '../../components/empty-states.tsx';
import { Page } from '../../components/page-header.tsx';
import { Heading } from '../../components/text.tsx';
import { useSearchChange } from '../../lib/filters.ts';
import { rowsOf } from '../../lib/paged-list.ts';
import { showLines } from '../../lib/show-lines.ts';
import { CommitCard } from './commit-card.tsx';
import { OpenBranches } from './open-branches.tsx';
import { draftProblem, isSameDraft, NEW_PATH, type PlanDraft, requestOf } from './plan-draft.ts';
import { PlanResult } from './plan-result.tsx';
import { PlanProblem, PlanRunning } from './plan-state.tsx';
import { StoredPlans } from './stored-plans.tsx';
import { type Planning, usePlan } from './use-plan.ts';

const route = getRouteApi('/shell/plan');

/** Most names that a field suggests. */
const SUGGESTED = 50;

/** Field that opens the document of a policy in Git, by a part of its name. */
const PolicyPicker = () => {
  const id = useId();
  const { policy = '' } = route.useSearch();
  const change = useSearchChange();
  const [typed, setTyped] = useState(policy);
  const params = { managedBy: 'hub', q: typed.trim() === '' ? undefined : typed.trim(), limit: SUGGESTED };
  const { data } = useInfiniteQuery({ ...policiesQuery(params), placeholderData: keepPreviousData });
  const open = (event: SubmitEvent): void => {
    event.preventDefault();
    change({ policy: typed.trim() === '' ? undefined : typed.trim() });
  };
  return (
    <Form onSubmit={open}>
      <FormGroup label="Policy of the commit in force" fieldId={id}>
        <Flex flexWrap={{ default: 'nowrap' }}>
          <TextInput
            id={id}
            value={typed}
            list={`${id}-list`}
            maxLength={253}
            placeholder="Type a part of its name"
            onChange={(_event, text) => setTyped(text)}
          />
          <Button type="submit" variant="secondary">
            Open
          </Button>
        </Flex>
        <datalist id={`${id}-list`}>
          {rowsOf(data).map(({ name }) => (
            <option key={name} value={name} />
          ))}
        </datalist>
      </FormGroup>
    </Form>
  );
};

interface DraftFieldsProps {
  readonly draft: PlanDraft;
  readonly field: RefObject<HTMLTextAreaElement | null>;
  readonly onChange: (draft: PlanDraft) => void;
}

const DraftFields = ({ draft, field, onChange }: DraftFieldsProps) => {
  const id = useId();
  return (
    <>
      <FormGroup label="File of the policy repository" fieldId={`${id}-path`}>
        <TextInput
          id={`${id}-path`}
          value={draft.path}
          maxLength={4096}
          spellCheck={false}
          onChange={(_event, path) => onChange({ ...draft, path })}
        />
      </FormGroup>
      <FormGroup label="SovereignPolicy, as YAML" fieldId={`${id}-text`}>
        <TextArea
          id={`${id}-text`}
          ref={field}
          className="fso-paste"
          value={draft.text}
          onChange={(_event, text) => onChange({ ...draft, text })}
          resizeOrientation="vertical"
          spellCheck={false}
          placeholder={'apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\n…'}
          aria-describedby={`${id}-note`}
        />
        <Content component="small" className="fso-muted" id={`${id}-note`}>
          It takes the place of the policy of the same name, or comes to the commit. Up to 256 KiB.
        </Content>
      </FormGroup>
    </>
  );
};

interface PlanPaneProps {
  readonly planning: Planning<PlanDraft>;
  readonly draft: PlanDraft;
  /** Document that was opened; undefined for a new one. */
  readonly opened: PolicySourceView | undefined;
}

/** The latest plan, or the progress of the one that is being made. */
const PlanPane = ({ planning: { made, error, isPending, cancel }, draft, opened }: PlanPaneProps) => {
  if (isPending) return <PlanRunning onCancel={cancel} />;
  if (made === undefined)
    return error === null ? (
      <Content component="p" className="fso-muted">
        The plan says which pods could run before the change and not after it, and what happens to the workloads that run. You have 20 plans
        an hour.
      </Content>
    ) : null;
  return (
    <>
      {isSameDraft(made.subject, draft) ? (
        <p role="status" className="pf-v6-screen-reader">
          The plan is made.
        </p>
      ) : (
        <Alert isInline variant="info" component="p" title="The text has changed since this plan: plan again" />
      )}
      <PlanResult plan={made.plan} />
      <CommitCard draft={made.subject} source={opened} />
    </>
  );
};

const ChangedInGit = ({ onOpen }: { readonly onOpen: () => void }) => (
  <Alert
    isInline
    variant="warning"
    component="p"
    title="Git has changed this policy since you opened it"
    actionLinks={
      <Button variant="link" isInline onClick={onOpen}>
        Open it again
      </Button>
    }
  >
    That drops your change of the text.
  </Alert>
);

/** Creates the draft of a document in Git; of a new one if there is none. */
const draftOf = (source: PolicySourceView | undefined): PlanDraft => ({ path: source?.path ?? NEW_PATH, text: source?.yaml ?? '' });

/** Editor of a draft, beside its plan. @param source document to edit; undefined for a new one */
const Editor = ({ source }: { readonly source: PolicySourceView | undefined }) => {
  const [opened, setOpened] = useState(source);
  const [draft, setDraft] = useState(draftOf(source));
  const field = useRef<HTMLTextAreaElement>(null);
  const planning = usePlan(requestOf);
  const { error, isPending, mutate } = planning;
  const problem = draftProblem(draft);
  const show = (line: number): void => {
    if (field.current !== null) showLines(field.current, draft.text.split('\n'), { from: line, to: line });
  };
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (problem === undefined && !isPending) mutate(draft);
  };
  const openAgain = (): void => {
    setOpened(source);
    setDraft(draftOf(source));
    planning.cancel();
  };
  return (
    <Grid hasGutter>
      <GridItem xl={5} className="fso-stack">
        <Form onSubmit={submit} aria-label="Change">
          <DraftFields draft={draft} field={field} onChange={setDraft} />
          <Flex>
            <Button type="submit" isDisabled={problem !== undefined || isPending}>
              Plan
            </Button>
            <span className="fso-muted">{problem}</span>
          </Flex>
        </Form>
        {error === null ? null : <PlanProblem error={error} onShow={show} />}
        {source?.yaml === opened?.yaml ? null : <ChangedInGit onOpen={openAgain} />}
      </GridItem>
      <GridItem xl={7} className="fso-stack">
        <Heading level={2}>Plan</Heading>
        <PlanPane planning={planning} draft={draft} opened={opened} />
      </GridItem>
    </Grid>
  );
};

const SavedPolicy = ({ policy }: { readonly policy: string }) => {
  const source = useQuery(policySourceQuery(policy));
  return (
    <QueryView query={source} what="the document of the policy" lines={8}>
      {(document) => <Editor source={document} />}
    </QueryView>
  );
};

/** Page that edits a policy beside the plan of the change. Its text is not stored. */
export const PlanPage = () => {
  const { policy } = route.useSearch();
  // Documents in Git can name objects outside of the user's scope.
  const isScoped = useScope() !== undefined;
  return (
    <Page
      title="Plan a change"
      description="See what a policy would do before it is merged. The text is saved nowhere and nothing changes: the file is yours to commit."
    >
      <div className="fso-stack">
        {isScoped ? null : <PolicyPicker key={policy} />}
        {policy === undefined || isScoped ? <Editor source={undefined} /> : <SavedPolicy key={policy} policy={policy} />}
        <OpenBranches />
        <StoredPlans />
      </div>
    </Page>
  );
};
