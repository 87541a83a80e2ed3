export { pageOfAlert } from './alert.ts';
export { Alerts, type AlertsDeps } from './alerts.ts';
export type { AlertsConfig } from './file/alerts-file.ts';
export { AlertsFile, readAlertsFile } from './file/alerts-file-reader.ts';
export { boundIssues, type CurrentIssues, type IsNamed, type Issue } from './issue.ts';
export { fixedTexts } from './matchers.ts';
export type { AlertMetrics } from './notify/notifier.ts';
export { SilenceRefused } from './silences.ts';
