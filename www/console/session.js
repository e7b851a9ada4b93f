// Who is signed in, and what that allows. The server decides; this decides what is offered.
import * as api from './api.js';

const RANKS = ['viewer', 'operator', 'administrator'];

let self = null;

export const who = () => self;

// Throws a Problem where the token is not good.
export async function enter() {
  self = await api.me();
}

export function leave() {
  self = null;
  api.token.forget();
}

const has = (role) => RANKS.indexOf(self?.role) >= RANKS.indexOf(role);
export const may = {
  change: () => has('operator'), // register, revoke, release
  publish: () => has('administrator'),
  manage: () => has('administrator') && !self.issuers, // tokens
};
