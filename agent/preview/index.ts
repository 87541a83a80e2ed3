export { Previewer } from './previewer.ts';
