import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ConfigError, type Environment, parseConfig, Secrets } from '../runtime/index.ts';
import { readTelemetry, TELEMETRY_SECRETS, TELEMETRY_VARIABLES, type TelemetryConfig, withoutUnusedTelemetry } from './settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'fso-telemetry-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const read = async (env: Environment): Promise<TelemetryConfig | undefined> => {
  const problems: string[] = [];
  const schema = z.object(TELEMETRY_VARIABLES);
  const secrets = await Secrets.read(env, schema, TELEMETRY_SECRETS, problems);
  const config = await readTelemetry(parseConfig(schema, secrets.environment), secrets, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
};
/** The settings with the headers of a request. */
const readAll = async (env: Environment) => {
  const config = await read(env);
  return config && { ...config, headers: config.headers() };
};
const withEndpoint = (change: Environment = {}): Environment => ({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318/', ...change });

describe('settings of traces', () => {
  it('are off without an endpoint, with any other settings', async () => {
    expect(await read({})).toBeUndefined();
    expect(await read({ OTEL_SERVICE_NAME: 'x', OTEL_EXPORTER_OTLP_HEADERS: 'a=b' })).toBeUndefined();
  });

  it('let a program work where traces are off', () => {
    const env = {
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_TRACES_SAMPLER: 'xray',
      OTEL_EXPORTER_OTLP_HEADERS_FILE: '/nowhere',
      FSO_CLUSTER: 'eu',
    };
    expect(withoutUnusedTelemetry(env)).toEqual({ FSO_CLUSTER: 'eu' });
    expect(withoutUnusedTelemetry(withEndpoint(env))).toEqual(withEndpoint(env));
  });

  it('need the endpoint alone', async () => {
    expect(await readAll(withEndpoint())).toEqual({
      url: 'http://localhost:4318/v1/traces',
      headers: {},
      ca: undefined,
      serviceName: undefined,
      attributes: {},
      sampler: { name: 'parentbased_always_on', ratio: 1 },
    });
  });

  it('are those of OpenTelemetry', async () => {
    const ca = join(folder, 'ca.pem');
    writeFileSync(ca, 'PEM\n');
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector.example.com/otlp',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20abc%3D, x-scope-orgid=eu',
      OTEL_EXPORTER_OTLP_CERTIFICATE: ca,
      OTEL_SERVICE_NAME: 'policies',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=production,team=a%2Cb',
      OTEL_TRACES_SAMPLER: 'traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
    };
    expect(await readAll(env)).toEqual({
      url: 'https://collector.example.com/otlp/v1/traces',
      headers: { authorization: 'Bearer abc=', 'x-scope-orgid': 'eu' },
      ca: 'PEM\n',
      serviceName: 'policies',
      attributes: { 'deployment.environment.name': 'production', team: 'a,b' },
      sampler: { name: 'traceidratio', ratio: 0.25 },
    });
  });

  it.each([
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318', 'must be an http:// or https:// URL'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'secret-without-a-name', 'must be name=value'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a b=secret', 'must be name=value'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a=secret%0d%0ab: c', 'must be name=value'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a=secret%zz', 'must be name=value'],
    ['OTEL_EXPORTER_OTLP_HEADERS', Array.from({ length: 65 }, (_, at) => `a${at}=secret`).join(','), 'must be name=value'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc', 'must be http/protobuf'],
    ['OTEL_EXPORTER_OTLP_CERTIFICATE', join(folder, 'absent.pem'), 'cannot be read (ENOENT)'],
    ['OTEL_RESOURCE_ATTRIBUTES', 'a=b%00', 'must be name=value'],
    ['OTEL_TRACES_SAMPLER', 'some', 'Invalid option'],
    ['OTEL_TRACES_SAMPLER_ARG', '2', '<=1'],
  ])('refuses %s=%s', async (name, value, problem) => {
    const error: unknown = await read(withEndpoint({ [name]: value })).catch((reason: unknown) => reason);
    expect(String(error)).toContain(`${name}: `);
    expect(String(error)).toContain(problem);
    expect(String(error)).not.toContain('secret');
  });

  it('send no header in the clear to another machine', async () => {
    const headers = { OTEL_EXPORTER_OTLP_HEADERS: 'authorization=secret' };
    await expect(read(withEndpoint({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318', ...headers }))).rejects.toThrow(
      'would go in the clear to another machine',
    );
    expect(await readAll(withEndpoint(headers))).toMatchObject({ headers: { authorization: 'secret' } });
  });
});
