import { describe, expect, it } from 'vitest';
import { addressRules, isNetwork, isPublicAddress } from './address.rules.js';

describe('isPublicAddress', () => {
  it.each([
    '8.8.8.8',
    '1.1.1.1',
    '172.15.255.255',
    '172.32.0.1',
    '100.63.255.255',
    '100.128.0.1',
    '223.255.255.255',
    '2606:4700::1111',
    '2a00:1450:4001:80b::200e',
    '::ffff:8.8.8.8',
    '64:ff9b::808:808',
  ])('%s is', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  it.each([
    // this network, private, shared, loopback, link-local with metadata
    '0.0.0.0',
    '0.1.2.3',
    '10.0.0.1',
    '10.255.255.255',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    '100.100.100.200',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
    '168.63.129.16',
    // protocol assignments, documentation, 6to4 relay, benchmarking, multicast, reserved, broadcast
    '192.0.0.192',
    '192.0.2.1',
    '198.51.100.7',
    '203.0.113.9',
    '192.88.99.1',
    '198.18.0.1',
    '198.19.255.255',
    '224.0.0.1',
    '239.255.255.250',
    '240.0.0.1',
    '255.255.255.255',
    // unspecified, loopback, link-local, unique local (with metadata), site-local, multicast, discard, documentation
    '::',
    '::1',
    'fe80::1',
    'fe80::1%eth0',
    'fc00::1',
    'fd00:ec2::254',
    'fec0::1',
    'ff02::1',
    '100::1',
    '2001:db8::1',
    '3fff::1',
    '5f00::1',
    '4000::1',
    // IPv4 inside: mapped, compatible, translated, NAT64 with private, local NAT64, 6to4, Teredo
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '::ffff:a9fe:a9fe',
    '::127.0.0.1',
    '::ffff:0:127.0.0.1',
    '64:ff9b::7f00:1',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b:1::808:808',
    '2002:7f00:1::',
    '2002:808:808::1',
    '2001::1',
    // other notations and no addresses
    '2130706433',
    '0177.0.0.1',
    '0x7f.1',
    'localhost',
    '',
    '999.1.1.1',
  ])('%s is not', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });
});

describe('addressRules', () => {
  it('lets the networks named be reached beside public addresses', () => {
    const allowed = addressRules(['10.1.0.0/16', 'fd00::/8']);
    for (const address of ['8.8.8.8', '10.1.2.3', '::ffff:10.1.2.3', 'fd12::1']) expect(allowed(address)).toBe(true);
    for (const address of ['10.2.0.1', '127.0.0.1', '169.254.169.254', 'fe80::1', '::1', 'x', '']) {
      expect(allowed(address)).toBe(false);
    }
  });

  it('takes CIDR notation only', () => {
    expect(() => addressRules(['10.0.0.0'])).toThrow('10.0.0.0 is not a network in CIDR notation');
    expect([isNetwork('10.0.0.0/8'), isNetwork('fd00::/8'), isNetwork('10.0.0.0/33'), isNetwork('x')]).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});
