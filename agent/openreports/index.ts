export { OpenReports, removeReports } from './open-reports.ts';
export { REPORT_KIND, REPORT_SELECTOR, type Report } from './report.ts';
