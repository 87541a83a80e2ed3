import * as views from '@fso/shared/api';
import { z } from 'zod';
import { PROBLEM_TYPE, PROBLEMS, type ProblemCode } from './problems.ts';
import type { Route } from './route.ts';

type Json = Record<string, unknown>;

/** Schemas that get a name of their own in the description; what they hold refers to them by it. */
const NAMED = {
  AuditActor: views.AuditActor,
  AuditEntry: views.AuditEntry,
  AuditPage: views.AuditPage,
  AuditProofs: views.AuditProofs,
  CheckpointView: views.CheckpointView,
  ClusterPage: views.ClusterPage,
  ClusterReport: views.ClusterReport,
  ClusterView: views.ClusterView,
  CommitView: views.CommitView,
  Condition: views.Condition,
  Enforcement: views.Enforcement,
  EventPage: views.EventPage,
  EventView: views.EventView,
  LockStatus: views.LockStatus,
  PolicyChange: views.PolicyChange,
  PolicyInCluster: views.PolicyInCluster,
  PolicyPage: views.PolicyPage,
  PolicyReport: views.PolicyReport,
  PolicyView: views.PolicyView,
  ProblemDetails: views.ProblemDetails,
  ProblemView: views.ProblemView,
  SourceView: views.SourceView,
  StatusView: views.StatusView,
  StreamEvent: views.StreamEvent,
  ViolationPage: views.ViolationPage,
  ViolationView: views.ViolationView,
  WitnessView: views.WitnessView,
} as const;

const reference = (name: string): string => `#/components/schemas/${name}`;

const withoutIds = ({ $schema: _dialect, $id: _id, ...rest }: Json): Json => rest;

/** One registry for the whole description: a schema within a schema becomes a reference. */
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
    return { name, in: place, required: place === 'path', ...(description === undefined ? {} : { description }), schema };
  });

const problemResponses = (codes: readonly ProblemCode[]): Json => {
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

const operation = (route: Route): Json => {
  const described = [...parameters('path', route.params), ...parameters('query', route.query)];
  const problems: ProblemCode[] = [...route.problems, ...(route.auth ? (['unauthorized'] as const) : []), 'internal'];
  return {
    operationId: route.operationId,
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    tags: [route.tag],
    ...(described.length === 0 ? {} : { parameters: described }),
    security: route.auth ? [{ token: [] }] : [],
    responses: {
      [route.response.status]: { description: route.response.description, content: content(route) },
      ...problemResponses(problems),
    },
  };
};

/** The OpenAPI 3.1 description of a route table; the same table gives the same text. */
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
    tags: ['hub', 'policies', 'clusters', 'audit', 'operations'].map((name) => ({ name })),
    paths,
    components: {
      schemas: componentSchemas(),
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'The API token, where the hub has one configured.' } },
    },
  };
};
