import { collectDefaultMetrics, Registry } from 'prom-client';

export interface MetricsOptions {
  /** Labels on every series, e.g. `{ cluster }`. */
  readonly defaultLabels?: Readonly<Record<string, string>>;
  /** Process and Node.js metrics. Default true; they keep observers running, so short programs leave them out. */
  readonly processMetrics?: boolean;
}

/** A registry of its own: nothing is shared through the library's global one. */
export const createMetricsRegistry = ({ defaultLabels, processMetrics = true }: MetricsOptions = {}): Registry => {
  const registry = new Registry();
  if (defaultLabels !== undefined) registry.setDefaultLabels({ ...defaultLabels });
  if (processMetrics) collectDefaultMetrics({ register: registry });
  return registry;
};
