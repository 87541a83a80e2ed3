import { byText } from '@fso/shared/encoding';
import { describe, expect, it } from 'vitest';
import { buildOpenApi, ROUTES } from './openapi.ts';

interface Description {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, { operationId: string; parameters?: { name: string; in: string }[]; responses: object }>>;
  readonly components: { schemas: object };
}
const description = buildOpenApi() as Description;

const referencesOf = (value: unknown): string[] => {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, part]) => (key === '$ref' ? [String(part)] : referencesOf(part)));
};

describe('OpenAPI', () => {
  it('describes each route once', () => {
    const described = Object.entries(description.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method} ${path}`),
    );
    expect(described.toSorted(byText)).toEqual(ROUTES.map(({ method, path }) => `${method} ${path}`).toSorted(byText));
    const ids = ROUTES.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('declares each parameter of a path', () => {
    for (const [path, operations] of Object.entries(description.paths)) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const { parameters = [] } of Object.values(operations)) {
        expect(parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)).toEqual(named);
      }
    }
  });

  it('refers only to schemas that are there, and uses every one of them', () => {
    const names = Object.keys(description.components.schemas).map((name) => `#/components/schemas/${name}`);
    expect(new Set(referencesOf(description))).toEqual(new Set(names));
  });

  it('is the same text every time', () => {
    expect(JSON.stringify(buildOpenApi())).toBe(JSON.stringify(description));
    expect(description.openapi).toBe('3.1.0');
  });
});
