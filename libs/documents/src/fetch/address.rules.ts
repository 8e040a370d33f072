import ipaddr from 'ipaddr.js';

/** Addresses of the public range that answer only inside a provider's network: Azure's platform service. */
const PRIVATE_BY_USE = new Set(['168.63.129.16']);

/** Global unicast: all that is in public use of IPv6 (RFC 4291). */
const GLOBAL_UNICAST: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3];
/** IPv4 inside IPv6 through a translator (RFC 6052); the local-use prefix 64:ff9b:1::/48 is none of it. */
const NAT64: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('64:ff9b::'), 96];

/**
 * Whether an address belongs to the public internet. Loopback, private, shared (RFC 6598), link-local with the metadata
 * services of clouds, unique local, multicast, documentation, benchmarking and all reserved ranges do not; neither do
 * the tunnels 6to4 and Teredo, whose far end cannot be checked. IPv4 inside IPv6 (mapped, NAT64) counts as what it is.
 * @param address IPv4 or IPv6 in any notation; anything else is not public
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  if (parsed instanceof ipaddr.IPv4) return isPublic4(parsed);
  if (parsed.isIPv4MappedAddress()) return isPublic4(parsed.toIPv4Address());
  if (parsed.match(NAT64)) return isPublic4(new ipaddr.IPv4(parsed.toByteArray().slice(12)));
  return parsed.match(GLOBAL_UNICAST) && parsed.range() === 'unicast';
}

function isPublic4(address: ipaddr.IPv4): boolean {
  return address.range() === 'unicast' && !PRIVATE_BY_USE.has(address.toString());
}

/**
 * Which addresses may be connected to: public ones, and those of the networks named.
 * @param networks in CIDR notation: `10.0.0.0/8`, `fd00::/8`
 * @throws RangeError for one that is none
 */
export function addressRules(networks: readonly string[]): (address: string) => boolean {
  const ranges = networks.map((network) => {
    if (!isNetwork(network)) throw new RangeError(`${network} is not a network in CIDR notation`);
    return ipaddr.parseCIDR(network);
  });
  return (address) => isPublicAddress(address) || ranges.some((range) => lies(address, range));
}

/** Whether a text is a network in CIDR notation. */
export function isNetwork(text: string): boolean {
  return ipaddr.isValidCIDR(text);
}

function lies(address: string, [network, bits]: [ipaddr.IPv4 | ipaddr.IPv6, number]): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  return parsed.kind() === network.kind() && parsed.match(network, bits);
}
