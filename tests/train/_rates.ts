import type { Executable } from "../../src/backend/backend.ts";
import { LOG_ROWS } from "../../src/train/step_log.ts";

/** Makes the next update one of its own, by AdamW's three rates. */
export function writeRates(
  executable: Executable,
  ...rates: [lr: number, correction1: number, correction2: number]
): void {
  const schedule = new Float32Array(3 * LOG_ROWS);
  schedule.set(rates);
  executable.write("schedule", schedule);
  executable.write("slot", Uint32Array.of(0));
}
