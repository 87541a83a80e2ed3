export { type Generated, generate } from './generate.ts';
export { formatMetricsTable, formatSettingsTable, formatTable, referencePage } from './markdown.ts';
