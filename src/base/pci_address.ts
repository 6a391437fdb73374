/**
 * Where a device is on the PCI bus, in the way of Linux and `lspci -D`:
 * `0000:65:00.0` is domain, bus, device and function in hexadecimal.
 *
 * @module
 */

/** The parts of an address as numbers. */
export interface PciPlace {
  readonly domain: number;
  readonly bus: number;
  readonly device: number;
  readonly function: number;
}

/** Writes an address. Domains of VMD bridges have five digits. */
export function formatPciAddress(place: PciPlace): string {
  const hex = (value: number, digits: number) =>
    value.toString(16).padStart(digits, "0");
  const { domain, bus, device } = place;
  return `${hex(domain, 4)}:${hex(bus, 2)}:${hex(device, 2)}.` +
    hex(place.function, 1);
}

/**
 * An address as {@linkcode formatPciAddress} writes it, from the text of some
 * tool: nvidia-smi gives eight digits of the domain, older ones four, in upper
 * case. Null if the text is none.
 */
export function normalizePciAddress(text: string): string | null {
  const match = /^([0-9a-f]{4,8}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$/i.exec(
    text,
  );
  if (!match) return null;
  const [domain, bus, device, last] = match.slice(1)
    .map((digits) => parseInt(digits, 16));
  return formatPciAddress({ domain, bus, device, function: last });
}
