import { formatNumber } from './format-number.ts';

/** @returns `1 cluster`, `1,200 clusters` */
export const count = (number: number, one: string, many = `${one}s`): string => `${formatNumber(number)} ${number === 1 ? one : many}`;
