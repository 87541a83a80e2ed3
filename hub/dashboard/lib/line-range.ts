/** Lines of a text, from 1, the last one included. */
export interface LineRange {
  readonly from: number;
  readonly to: number;
}
