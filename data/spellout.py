"""CLDR's rule-based number format, as far as whole numbers 0..100 need it.

A rule set is a list of [base value, body]; the rule with the largest base value <= n applies. In a
body `→→` is the remainder n mod d, `←←` the quotient n div d (d: the largest power of the radix <= base
value), `→%set→`, `←%set←` and `=%set=` change to another rule set, `[...]` vanishes when the remainder
is 0.
Source: Unicode LDML part 3 and the description of ICU's RuleBasedNumberFormat.
"""
import re

PARTS = re.compile(r"\[|\]|→→→|→(%{1,2}[\w-]+)?→|←(%{1,2}[\w-]+)?←|=(%{1,2}[\w-]+)=|"
                   r"\$\((?:cardinal|ordinal),.*?\)\$")


DESCRIPTOR = re.compile(r"(\d+)(?:/(\d+))?(>*)")  # not -x, nor x.x and 0.x of fractions


class Rule:
    def __init__(self, descriptor, body):
        number = DESCRIPTOR.fullmatch(descriptor)
        self.base, radix = int(number[1]), int(number[2] or 10)
        exponent = 0
        while radix ** (exponent + 1) <= self.base:
            exponent += 1
        self.divisor = radix ** max(0, exponent - len(number[3]))
        self.body = body.rstrip(";").removeprefix("'")


class Spellout:
    """Spells whole numbers in words; `entry` names the rule set it starts from."""

    def __init__(self, rbnf):
        groups = rbnf["rbnf"]["rbnf"]
        self.sets = {name: sorted((Rule(*rule) for rule in rules if DESCRIPTOR.fullmatch(rule[0])),
                                  key=lambda rule: rule.base)
                     for group in groups.values() for name, rules in group.items()
                     if name.startswith("%")}  # some versions add the name of a rules file
        public = [name for name in self.sets if name.startswith("%spellout-cardinal")]
        # ICU's spell-out format starts from %spellout-numbering; a few languages lack it.
        self.entry = "%spellout-numbering" if "%spellout-numbering" in self.sets else public[0]
        negative = [body for group in groups.values() for name in [self.entry] + public
                    for descriptor, body in group.get(name, []) if descriptor == "-x"]
        # The word for minus of a rule such as "minus →→;", or "".
        self.minus = next((body.split("→")[0].strip(" '\u200b") for body in negative
                           if body[0] not in "-−→"), "")

    def spell(self, number, name=None):
        name = name or self.entry
        rules = [rule for rule in self.sets[name] if rule.base <= number]
        rule, before = rules[-1], rules[-2] if len(rules) > 1 else None
        # A multiple of d under a rule such as 21 that has both quotient and remainder falls back.
        if before and "→" in rule.body and "←" in rule.body and number % rule.divisor == 0 \
                and rule.base % rule.divisor != 0:
            rule, before = before, rules[-3] if len(rules) > 2 else None
        return self.apply(rule, before, number, name)

    def apply(self, rule, before, number, name):
        quotient, remainder = divmod(number, rule.divisor)
        out, silent, at = "", False, 0
        for part in PARTS.finditer(rule.body):
            text, literal = part[0], rule.body[at:part.start()]
            out += "" if silent else literal
            at = part.end()
            if text == "[":
                silent = remainder == 0
            elif text == "]":
                silent = False
            elif silent:
                continue
            elif text == "→→→":
                out += self.apply(before, None, remainder, name)
            elif text[0] == "→":
                out += self.spell(remainder, part[1] or name)
            elif text[0] == "←":
                out += self.spell(quotient, part[2] or name)
            elif text[0] == "=":
                out += self.spell(number, part[3])
            else:
                raise ValueError(f"plural forms in number words are not supported: {rule.body}")
        return out + rule.body[at:]
