import * as views from '@fso/shared/api';
import { z } from 'zod';
import { PROBLEM_TYPE, PROBLEMS, type ProblemCode } from './problems.ts';
import type { Route } from './route.ts';

type Json = Record<string, unknown>;

/** Schemas with a name in the description. Others refer to them by it. */
const NAMED = {
  AlertCounts: views.AlertCounts,
  AlertLabels: views.AlertLabels,
  AlertPage: views.AlertPage,
  AlertTestRequest: views.AlertTestRequest,
  AlertTestView: views.AlertTestView,
  AlertView: views.AlertView,
  AuditActor: views.AuditActor,
  AuditEntry: views.AuditEntry,
  AuditPage: views.AuditPage,
  AuditProofs: views.AuditProofs,
  CheckpointView: views.CheckpointView,
  CliLoginRequest: views.CliLoginRequest,
  CliLoginView: views.CliLoginView,
  ClusterPage: views.ClusterPage,
  ClusterReport: views.ClusterReport,
  ClusterView: views.ClusterView,
  CommitView: views.CommitView,
  ReportedCondition: views.ReportedCondition,
  CreatedToken: views.CreatedToken,
  EnrolmentPage: views.EnrolmentPage,
  EnrolmentTokenView: views.EnrolmentTokenView,
  EnrolmentView: views.EnrolmentView,
  EventPage: views.EventPage,
  EventView: views.EventView,
  IssueReport: views.IssueReport,
  LockCounts: views.LockCounts,
  LogoutView: views.LogoutView,
  PolicyChange: views.PolicyChange,
  PolicyDetail: views.PolicyDetail,
  PolicyDetailPage: views.PolicyDetailPage,
  PolicyInCluster: views.PolicyInCluster,
  PolicyPage: views.PolicyPage,
  PolicyReport: views.PolicyReport,
  PolicySummary: views.PolicySummary,
  PolicySummaryPage: views.PolicySummaryPage,
  PolicyView: views.PolicyView,
  ProblemDetails: views.ProblemDetails,
  ProblemView: views.ProblemView,
  ReceiverList: views.ReceiverList,
  ReceiverView: views.ReceiverView,
  RegionPage: views.RegionPage,
  RegionPlace: views.RegionPlace,
  RegionView: views.RegionView,
  ReportedEnforcement: views.ReportedEnforcement,
  ReportedLock: views.ReportedLock,
  SessionView: views.SessionView,
  SilenceList: views.SilenceList,
  SilenceRequest: views.SilenceRequest,
  SilenceView: views.SilenceView,
  SourceView: views.SourceView,
  StatusView: views.StatusView,
  StreamEvent: views.StreamEvent,
  TokenList: views.TokenList,
  TokenRequest: views.TokenRequest,
  TokenView: views.TokenView,
  ViolationGroup: views.ViolationGroup,
  ViolationGroupPage: views.ViolationGroupPage,
  ViolationPage: views.ViolationPage,
  ViolationView: views.ViolationView,
  WitnessView: views.WitnessView,
} as const;

const reference = (name: string): string => `#/components/schemas/${name}`;

const withoutIds = ({ $schema: _dialect, $id: _id, ...rest }: Json): Json => rest;

/** Describes all schemas with one registry, so that nested schemas become references. */
const componentSchemas = (): Json => {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(NAMED)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, { uri: reference, target: 'draft-2020-12' });
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, withoutIds(schema as Json)]));
};

const nameOf = (schema: z.ZodType): string | undefined => Object.entries(NAMED).find(([, named]) => named === schema)?.[0];

const schemaOf = (schema: z.ZodType): Json => {
  const name = nameOf(schema);
  return name === undefined ? withoutIds(z.toJSONSchema(schema) as Json) : { $ref: reference(name) };
};

const parameters = (place: 'path' | 'query', shape: z.ZodObject | undefined): Json[] =>
  Object.entries(shape?.shape ?? {}).map(([name, field]) => {
    const { description, ...schema } = schemaOf(field);
    return {
      name,
      in: place,
      required: !field.safeParse(undefined).success,
      ...(description === undefined ? {} : { description }),
      schema,
    };
  });

const problemResponses = (codes: ReadonlySet<ProblemCode>): Json => {
  const byStatus = new Map<number, string[]>();
  for (const code of codes) byStatus.set(PROBLEMS[code].status, [...(byStatus.get(PROBLEMS[code].status) ?? []), code]);
  const content = { [PROBLEM_TYPE]: { schema: { $ref: reference('ProblemDetails') } } };
  return Object.fromEntries([...byStatus].map(([status, named]) => [status, { description: `Problem: ${named.join(', ')}.`, content }]));
};

const content = ({ response }: Route): Json => {
  const { schema, contentType = 'application/json' } = response;
  if (contentType === 'text/event-stream') return { [contentType]: { 'x-event-schema': { $ref: reference('StreamEvent') } } };
  return { [contentType]: schema === undefined ? {} : { schema: schemaOf(schema) } };
};

const requestBody = ({ body }: Route): Json =>
  body === undefined ? {} : { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body) } } } };

/** Security, roles and problems of a route, derived from its access. */
const accessOf = ({ access, method }: Route): { fields: Json; problems: readonly ProblemCode[] } => {
  if (access === 'open') return { fields: { security: [] }, problems: [] };
  const role = access === 'signed-in' ? {} : { 'x-fso-role': access };
  // Anyone may ask for their session, but a foreign page must not change anything with it.
  const refused = access !== 'signed-in' || method !== 'get';
  return {
    fields: { security: [{ token: [] }, { session: [] }], ...role },
    problems: ['unauthorized', ...(refused ? (['forbidden'] as const) : []), 'too-many-requests', 'login-unavailable'],
  };
};

const operation = (route: Route): Json => {
  const described = [...parameters('path', route.params), ...parameters('query', route.query)];
  const access = accessOf(route);
  const problems = new Set<ProblemCode>([...(route.problems ?? []), ...access.problems, 'internal']);
  return {
    operationId: route.operationId,
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    tags: [route.tag],
    'x-fso-scope': route.scope,
    ...(described.length === 0 ? {} : { parameters: described }),
    ...requestBody(route),
    ...access.fields,
    responses: {
      [route.response.status]: { description: route.response.description, content: content(route) },
      ...problemResponses(problems),
    },
  };
};

/** Builds the OpenAPI 3.1 description of a route table. Deterministic. */
export const describeApi = (routes: readonly Route[]): object => {
  const paths: Record<string, Json> = {};
  for (const route of routes) paths[route.path] = { ...paths[route.path], [route.method]: operation(route) };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Federated Sovereignty Operator: hub',
      version: 'v1',
      description: 'What the hub knows of policies, clusters and violations. Errors are problem details (RFC 9457).',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    tags: ['hub', 'policies', 'clusters', 'alerts', 'audit', 'access', 'operations'].map((name) => ({ name })),
    paths,
    components: {
      schemas: componentSchemas(),
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API token, the static token of the hub, or an access token of its identity provider.',
        },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-fso',
          description: `Set by /auth/login. Calls that change something also need the header ${views.CSRF_HEADER}, and the origin of the hub.`,
        },
      },
    },
  };
};
