"""Words and phrases of the generated documents, and the split that keeps evaluation labels out of training."""

from __future__ import annotations

import random
import zlib

WORDS = ["able", "account", "active", "actual", "address", "advance", "agency", "agent", "alarm", "amount", "annual", "answer", "apple", "area", "arrival", "asset", "author", "autumn", "average", "badge", "bakery", "balance", "band", "bank", "bar", "base", "basic", "basket", "batch", "battery", "beach", "bench", "benefit", "bicycle", "board", "boat", "bonus", "book", "booking", "border", "bottle", "bottom", "box", "branch", "brand", "bread", "bridge", "brief", "broker", "budget", "building", "bulk", "bus", "business", "button", "cabin", "cable", "calendar", "call", "camera", "campaign", "canal", "capacity", "capital", "car", "carbon", "card", "care", "cargo", "carpet", "carrier", "case", "cash", "castle", "category", "ceiling", "center", "central", "certificate", "chain", "chair", "chamber", "change", "channel", "charge", "chart", "check", "chemical", "choice", "circle", "city", "claim", "class", "clean", "clerk", "client", "climate", "clinic", "clock", "closing", "cloth", "coach", "coast", "code", "coffee", "collection", "color", "column", "comment", "committee", "common", "company", "concert", "condition", "contact", "container", "content", "contract", "control", "cook", "copper", "copy", "corner", "cost", "cotton", "council", "counter", "country", "county", "course", "court", "cover", "credit", "crew", "crop", "cross", "crystal", "culture", "currency", "current", "curve", "customer", "cycle", "dairy", "damage", "data", "date", "day", "deal", "dealer", "debit", "deck", "deep", "default", "degree", "delay", "delivery", "demand", "dental", "deposit", "depot", "depth", "design", "desk", "detail", "device", "diesel", "diet", "digital", "dinner", "direct", "discount", "display", "distance", "district", "division", "doctor", "document", "dollar", "door", "double", "draft", "drawer", "dress", "drive", "driver", "dry", "due", "duration", "duty", "early", "earth", "east", "economy", "edge", "edition", "effect", "electric", "element", "email", "employee", "empty", "engine", "entry", "equipment", "error", "estate", "estimate", "evening", "event", "exact", "exchange", "exit", "expense", "expert", "export", "express", "extra", "fabric", "factor", "factory", "fair", "family", "farm", "fast", "feature", "fee", "fence", "ferry", "field", "figure", "file", "filter", "final", "finance", "fire", "first", "fish", "fixed", "flat", "fleet", "flight", "floor", "flow", "flower", "fluid", "foam", "focus", "food", "foot", "force", "foreign", "forest", "form", "formal", "forward", "frame", "free", "freight", "fresh", "front", "fruit", "fuel", "full", "fund", "future", "garden", "gas", "gate", "gauge", "gear", "general", "gift", "glass", "goal", "gold", "goods", "grade", "grain", "grand", "grant", "graph", "grass", "gravel", "green", "gross", "ground", "group", "growth", "guard", "guest", "guide", "hall", "hand", "handle", "harbor", "hardware", "harvest", "head", "health", "heat", "heavy", "height", "hill", "hire", "history", "holder", "holiday", "home", "honey", "hospital", "hotel", "hour", "house", "human", "ice", "image", "impact", "import", "inch", "income", "index", "indoor", "inner", "input", "insurance", "interest", "invoice", "iron", "island", "issue", "item", "jacket", "job", "joint", "journal", "journey", "juice", "junior", "kettle", "key", "kind", "kitchen", "label", "labor", "lake", "lamp", "land", "lane", "large", "laser", "last", "late", "launch", "laundry", "leader", "lease", "leather", "ledger", "left", "legal", "lemon", "length", "lesson", "letter", "level", "library", "license", "light", "limit", "line", "linen", "liquid", "list", "load", "loan", "local", "location", "lock", "log", "long", "loss", "lot", "low", "lower", "lumber", "lunch", "machine", "magazine", "mail", "main", "maple", "margin", "mark", "market", "mass", "master", "match", "material", "matter", "meal", "measure", "meat", "media", "medical", "meeting", "member", "memory", "menu", "metal", "meter", "method", "middle", "mile", "milk", "mineral", "minor", "minute", "mirror", "mobile", "mode", "model", "module", "money", "month", "monthly", "motor", "mountain", "museum", "music", "name", "narrow", "nation", "native", "nature", "net", "network", "new", "night", "noise", "normal", "north", "note", "notice", "number", "object", "ocean", "offer", "office", "oil", "old", "open", "operator", "optical", "option", "orange", "order", "organic", "origin", "outdoor", "outer", "output", "oven", "owner", "package", "packing", "page", "paint", "pair", "panel", "paper", "parcel", "park", "parking", "part", "partner", "party", "passage", "path", "patient", "pattern", "payment", "pension", "people", "period", "permit", "person", "phone", "photo", "piano", "picture", "piece", "pilot", "pipe", "plain", "plan", "plant", "plastic", "plate", "platform", "pocket", "point", "policy", "pool", "port", "post", "powder", "power", "premium", "present", "pressure", "price", "primary", "print", "private", "prize", "process", "product", "profile", "profit", "program", "project", "proof", "property", "protein", "public", "pump", "purchase", "quality", "quantity", "quarter", "question", "quick", "quota", "quote", "rack", "radio", "rail", "rain", "range", "rate", "ratio", "raw", "reader", "ready", "reason", "receipt", "record", "reference", "refund", "region", "register", "regular", "release", "remark", "rental", "repair", "report", "request", "rescue", "reserve", "resort", "response", "rest", "result", "retail", "return", "revenue", "review", "reward", "rice", "ring", "river", "road", "roof", "room", "root", "rope", "round", "route", "row", "royal", "rubber", "rule", "safety", "salad", "salary", "sale", "salt", "sample", "sand", "scale", "scheme", "school", "science", "score", "screen", "sea", "season", "seat", "second", "section", "sector", "security", "seed", "segment", "senior", "sensor", "serial", "series", "server", "service", "session", "set", "shape", "share", "sheet", "shelf", "shell", "shift", "ship", "shipment", "shipping", "shirt", "shoe", "shop", "shore", "short", "side", "sign", "signal", "silk", "silver", "single", "site", "size", "skill", "sleeve", "slot", "small", "smart", "smooth", "snow", "social", "soft", "soil", "solar", "solid", "source", "south", "space", "spare", "special", "speed", "spring", "square", "stable", "staff", "stage", "stamp", "standard", "star", "start", "state", "station", "status", "steam", "steel", "step", "stock", "stone", "storage", "store", "storm", "stove", "street", "strip", "strong", "student", "studio", "style", "subject", "subtotal", "suburb", "sugar", "suite", "summer", "summit", "supplier", "supply", "support", "surface", "survey", "switch", "symbol", "system", "table", "tank", "target", "tariff", "task", "tax", "taxi", "team", "technical", "temperature", "tender", "tent", "term", "terminal", "test", "text", "textile", "theater", "theme", "thread", "ticket", "tile", "timber", "time", "tire", "title", "tobacco", "token", "tone", "tool", "top", "total", "tour", "tower", "town", "toy", "track", "trade", "traffic", "trailer", "train", "training", "transfer", "transit", "transport", "travel", "tray", "treatment", "tree", "trend", "trial", "trip", "truck", "trust", "tube", "tunnel", "turn", "type", "union", "unit", "upper", "urban", "usage", "use", "user", "valid", "valley", "value", "van", "vehicle", "vendor", "venue", "version", "vessel", "victory", "video", "view", "village", "visit", "visitor", "voice", "volume", "voucher", "wage", "wall", "ward", "warehouse", "warranty", "waste", "watch", "water", "wave", "weather", "week", "weekly", "weight", "west", "wheel", "white", "width", "wind", "window", "wine", "winter", "wire", "wood", "wool", "work", "worker", "workshop", "world", "yard", "year", "yellow", "yield", "young", "zone"]

HEADS = ["number", "date", "name", "code", "amount", "total", "address", "phone", "email", "city", "country", "status", "type", "rate", "price", "quantity", "fee", "charge", "balance", "reference", "id", "level", "limit", "term", "period", "class", "group", "unit", "size", "weight", "volume", "length", "width", "height", "color", "version", "grade", "region", "zone", "branch", "office", "department", "manager", "agent", "owner", "contact", "officer", "account", "project", "order", "invoice", "contract", "policy", "claim", "ticket", "budget", "cost", "tax", "discount", "deposit", "payment", "refund", "share", "value", "score", "count", "capacity", "time", "duration", "deadline", "location", "room", "floor", "seat", "gate", "route", "plan", "category", "title", "model", "brand", "serial", "batch", "lot", "license", "permit", "program", "course", "section", "page", "note"]

COMMON_LABELS = (
    """
Invoice Number|Invoice No|Invoice Date|Due Date|Issue Date|Order Number|Order No|Order Date|Customer|Customer Name|Customer ID|Customer No|Account Number|Account No|Account Holder|Total|Subtotal
Total Amount|Amount Due|Balance Due|Tax|Sales Tax|VAT|VAT Number|Discount|Shipping|Shipping Date|Ship To|Bill To|Delivery Date|Payment Terms|Payment Method|Payment Date|Currency|Purchase Order
PO Number|Reference|Reference No|Our Reference|Your Reference|Contact|Contact Person|Phone|Telephone|Fax|Email|Website|Address|Street|City|State|Zip Code|Postal Code|Country|Region|Date of Birth
First Name|Last Name|Full Name|Employer|Employee|Employee ID|Department|Position|Job Title|Manager|Supervisor|Start Date|End Date|Hire Date|Expiry Date|Valid Until|Policy Number|Claim Number
Patient|Patient ID|Doctor|Insurance|Diagnosis|Weight|Height|Blood Type|Room|Room Number|Check In|Check Out|Guests|Nights|Flight|Seat|Gate|Departure|Arrival|Destination|Origin|Booking Code
Tracking Number|Carrier|Vessel|Container|Port of Loading|Gross Weight|Net Weight|Quantity|Unit Price|Description|Item|Item Code|Article|Part Number|Serial Number|Model|Brand|Warranty|Batch Number
Project|Project Manager|Budget|Deadline|Status|Priority|Phase|Location|Site|Building|Floor|Meter Number|Meter Reading|Usage|Tariff|Billing Period|Contract Number|Contract Date|Tenant|Landlord
Monthly Rent|Deposit|Lease Term|Vehicle|License Plate|Mileage|Fuel Type|Engine Number|Color|Year|Student|Student ID|Course|Credits|Grade|Instructor|Semester|School|Bank|Bank Name|IBAN|BIC|Sort Code
Routing Number|Interest Rate|Loan Amount|Principal|Term|Maturity Date|Net Income|Revenue|Expenses|Profit|Net Profit|Gross Profit|Cash|Change|Cashier|Register|Store|Store Number|Table|Server|Tip
Receipt Number|Transaction ID|Approval Code|Card Number|Card Type|Prepared By|Approved By|Reviewed By|Signed By|Inspector|Inspection Date|Result|Temperature|Pressure|Voltage|Sample ID|Test Date|Lab
""".replace("\n", "|")
    .strip("|")
    .split("|")
)

SYNONYMS = [
    ("No", "Number"),
    ("Qty", "Quantity"),
    ("Amt", "Amount"),
    ("Ref", "Reference"),
    ("Tel", "Telephone"),
    ("Dept", "Department"),
    ("Acct", "Account"),
    ("Addr", "Address"),
    ("No.", "Number"),
    ("ID", "Id"),
]

FIRST_NAMES = ["Alice", "Maria", "John", "Peter", "Anna", "David", "Laura", "Thomas", "Julia", "Daniel", "Emma", "Lucas", "Sofia", "Martin", "Clara", "Oliver", "Nina", "Victor", "Helen", "Samuel", "Ruth", "Paul", "Ingrid", "Omar", "Leila", "Ahmed", "Fatima", "Chen", "Mei", "Hiro", "Yuki", "Ravi", "Priya", "Arjun", "Sanjay", "Carlos", "Elena", "Pablo", "Lucia", "Marco", "Giulia", "Pierre", "Camille", "Hans", "Greta", "Lars", "Astrid", "Ivan", "Olga", "Dmitri", "Katya", "Kofi", "Ama", "Tunde", "Zara", "Grace", "Henry", "George", "Edith", "Walter", "Frank", "Rose", "Simon", "Esther", "Hugo", "Iris", "Felix", "Nora", "Leo", "Ida", "Max", "Eva", "Adam", "Ella", "Noah", "Mia", "Liam", "Chloe", "Ethan", "Zoe", "Ryan", "Amy", "Kevin", "Megan", "Brian", "Sarah", "Jason", "Karen", "Eric", "Linda", "Scott", "Susan", "Gary", "Diane", "Keith", "Paula", "José", "René", "Zoë"]
LAST_NAMES = ["Smith", "Jones", "Brown", "Taylor", "Wilson", "Davies", "Evans", "Walker", "Wright", "Robinson", "Thompson", "White", "Hughes", "Edwards", "Green", "Hall", "Wood", "Harris", "Lewis", "Martin", "Clarke", "Young", "Allen", "King", "Scott", "Baker", "Adams", "Nelson", "Carter", "Mitchell", "Perez", "Roberts", "Turner", "Phillips", "Campbell", "Parker", "Collins", "Stewart", "Sanchez", "Morris", "Rogers", "Reed", "Cook", "Morgan", "Bell", "Murphy", "Bailey", "Rivera", "Cooper", "Richardson", "Cox", "Howard", "Ward", "Torres", "Peterson", "Gray", "Ramirez", "James", "Watson", "Brooks", "Kelly", "Sanders", "Price", "Bennett", "Wood", "Barnes", "Ross", "Henderson", "Coleman", "Jenkins", "Perry", "Powell", "Long", "Patterson", "Hughes", "Flores", "Schmidt", "Weber", "Fischer", "Meyer", "Wagner", "Becker", "Hoffmann", "Schulz", "Koch", "Bauer", "Richter", "Klein", "Wolf", "Dubois", "Moreau", "Laurent", "Girard", "Rossi", "Russo", "Ferrari", "Bianchi", "Romano", "Garcia", "Martinez", "Lopez", "Gonzalez", "Silva", "Santos", "Pereira", "Nowak", "Kowalski", "Novak", "Horvat", "Jensen", "Hansen", "Olsen", "Larsen", "Lindberg", "Berg", "Virtanen", "Tanaka", "Suzuki", "Sato", "Kim", "Park", "Lee", "Nguyen", "Tran", "Patel", "Singh", "Sharma", "Gupta", "Khan", "Ali", "Hassan", "Okafor", "Mensah", "Abebe", "Müller", "Jürgens", "Núñez", "Lefèvre", "Göransson"]
CITIES = ["London", "Paris", "Berlin", "Madrid", "Rome", "Vienna", "Prague", "Warsaw", "Lisbon", "Dublin", "Oslo", "Stockholm", "Helsinki", "Copenhagen", "Brussels", "Amsterdam", "Zurich", "Geneva", "Milan", "Naples", "Turin", "Lyon", "Marseille", "Nice", "Hamburg", "Munich", "Cologne", "Frankfurt", "Dresden", "Leipzig", "Bonn", "Graz", "Linz", "Basel", "Bern", "Porto", "Seville", "Valencia", "Bilbao", "Krakow", "Gdansk", "Brno", "Budapest", "Sofia", "Athens", "Istanbul", "Cairo", "Tunis", "Lagos", "Accra", "Nairobi", "Kampala", "Durban", "Mumbai", "Delhi", "Chennai", "Pune", "Jaipur", "Dhaka", "Karachi", "Lahore", "Tehran", "Dubai", "Doha", "Muscat", "Tokyo", "Osaka", "Kyoto", "Nagoya", "Seoul", "Busan", "Taipei", "Manila", "Hanoi", "Bangkok", "Jakarta", "Sydney", "Melbourne", "Perth", "Brisbane", "Adelaide", "Auckland", "Wellington", "Boston", "Chicago", "Houston", "Dallas", "Denver", "Seattle", "Portland", "Phoenix", "Atlanta", "Miami", "Tampa", "Orlando", "Detroit", "Toronto", "Montreal", "Ottawa", "Calgary", "Lima", "Bogota", "Quito", "Santiago", "Leeds", "York", "Bristol", "Cardiff", "Glasgow", "Bath", "Oxford", "Cambridge", "Norwich", "Exeter", "Plymouth", "Malmö", "Zürich"]
COUNTRIES = ["Germany", "France", "Spain", "Italy", "Austria", "Poland", "Portugal", "Ireland", "Norway", "Sweden", "Finland", "Denmark", "Belgium", "Switzerland", "Greece", "Turkey", "Egypt", "Kenya", "Ghana", "India", "Japan", "China", "Brazil", "Peru", "Chile", "Canada", "Mexico", "USA", "Australia"]
COMPANY_TAILS = ["Ltd", "Inc", "LLC", "GmbH", "Corp", "Group", "AG", "PLC", "Co", "SA", "Partners", "& Sons", "Services", "Systems", "Trading", "Logistics", "Industries", "Labs"]
STREETS = ["Street", "Road", "Avenue", "Lane", "Drive", "Square", "Way", "Court", "Place"]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
UNITS = ["kg", "g", "km", "m", "cm", "mm", "l", "ml", "kWh", "MB", "GB", "hours", "days", "weeks", "months", "years", "pcs", "units", "boxes", "miles", "°C", "V", "bar"]

ONSETS = ["b", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z", "br", "cr", "dr", "fl", "gr", "pl", "pr", "st", "tr", "sh", "ch", "th"]
VOWELS = ["a", "e", "i", "o", "u", "a", "e", "i", "o", "ai", "ea", "ou"]
CODAS = ["", "", "", "n", "r", "l", "s", "t", "m", "x", "nd", "rt", "ck"]


def made_word(r: random.Random, syllables: int | None = None) -> str:
    """A pronounceable word that exists nowhere."""
    count = syllables or r.choice([2, 2, 3])
    return "".join(r.choice(ONSETS) + r.choice(VOWELS) + (r.choice(CODAS) if i == count - 1 or r.random() < 0.3 else "") for i in range(count))


def held_out(label: str) -> bool:
    """Whether a label is kept for evaluation: one in ten, by its lower-case letters and digits."""
    key = "".join(c for c in label.lower() if c.isalnum())
    return zlib.crc32(key.encode()) % 10 == 0


def raw_label(r: random.Random) -> str:
    t = r.random()
    if t < 0.3:
        return r.choice(COMMON_LABELS)
    if t < 0.55:
        words = [r.choice(WORDS), r.choice(HEADS)]
    elif t < 0.7:
        words = [r.choice(WORDS)]
    elif t < 0.8:
        words = [r.choice(WORDS), r.choice(WORDS), r.choice(HEADS)]
    elif t < 0.9:
        words = [made_word(r)]
    else:
        words = [made_word(r), r.choice([r.choice(HEADS), made_word(r)])]
    style = r.random()
    if style < 0.6:
        return " ".join(w.capitalize() for w in words)
    if style < 0.85:
        return " ".join(words).capitalize()
    if style < 0.95:
        return " ".join(words).upper()
    return " ".join(words)


def label(r: random.Random, unseen: bool = False) -> str:
    """A label of the training split, or with unseen=True one that training never shows."""
    while True:
        text = raw_label(r)
        if held_out(text) == unseen:
            return text


def labels(r: random.Random, count: int, unseen: bool = False, avoid: set[str] | None = None) -> list[str]:
    """Distinct labels, none of which is another's beginning or end (a question must have one answer)."""
    out: list[str] = []
    keys = [a.lower() for a in (avoid or ())]
    while len(out) < count:
        text = label(r, unseen)
        key = text.lower()
        if not any(clash(key, k) for k in keys):
            out.append(text)
            keys.append(key)
    return out


def clash(a: str, b: str) -> bool:
    norm = {"no": "number", "id": "id"}
    wa, wb = ({norm.get(w, w) for w in t.split()} for t in (a, b))
    return wa <= wb or wb <= wa
